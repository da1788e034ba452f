export { Grid } from "./grid.js";
export { Picture } from "./picture.js";
