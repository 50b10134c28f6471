import { expect, test } from "vitest";
import { s3Address } from "./address.ts";

test.each([
  ["s3://bucket", { bucket: "bucket", prefix: "" }],
  ["s3://bucket/", { bucket: "bucket", prefix: "" }],
  ["s3://my.bucket-1/a", { bucket: "my.bucket-1", prefix: "a/" }],
  ["s3://bucket/a/b_c=1.x/", { bucket: "bucket", prefix: "a/b_c=1.x/" }],
])("%s is %j", (text, address) => {
  expect(s3Address(text)).toEqual(address);
});

test.each([
  "s3://",
  "s3://ab",
  "s3://Bucket",
  "s3://bucket//a",
  "s3://bucket/a//b",
  "s3://bucket/../b",
  "s3://bucket/a b",
  "s3://key:secret@host/b",
])("%s is refused", (text) => {
  expect(() => s3Address(text)).toThrow(expect.objectContaining({ code: "bad_config" }));
});
