/** Express 4 beside Express 5. The types of the newer one say all that the tests use of it. */
declare module 'express-4' {
  export { default } from 'express'
}
