export { Picture as default } from "mmrad-grid";
