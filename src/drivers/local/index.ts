/** Objects as files below one folder. @module */
export { LocalDriver, type LocalDriverOptions } from './local-driver.js'
