export { Grid as default } from "mmrad-grid";
