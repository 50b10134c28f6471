declare const brand: unique symbol;

/** A value whose meaning is part of its type: a `DatasetId` is a string that no other string can stand in for. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
