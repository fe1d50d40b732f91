export declare const FAULT_POINTS: readonly string[]
export declare const NAIVE_FAULT_POINTS: readonly string[]
