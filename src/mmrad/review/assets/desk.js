export { default } from "mmrad-desk";
