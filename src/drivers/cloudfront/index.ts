export { CloudFrontSigner, type CloudFrontSignerOptions } from './cloudfront-signer.js'
