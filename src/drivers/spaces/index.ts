export { SpacesDriver, type SpacesDriverOptions } from './spaces-driver.js'
