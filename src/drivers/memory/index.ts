/** Objects in this process, for tests. @module */
export { MemoryDriver } from './memory-driver.js'
