import { expect, test } from "vitest";
import { fakeClock } from "../../test/kit/index.ts";
import { Attempts } from "./attempts.ts";

test("five failures are free; each further one doubles the wait; a quarter of an hour forgets", async () => {
  const clock = fakeClock();
  const attempts = new Attempts(clock);
  for (let i = 0; i < 5; i++) {
    attempts.check("anna", "a");
    attempts.failed("anna", "a");
  }
  for (const waitS of [1, 2, 4, 8]) {
    expect(() => attempts.check("anna", "a")).toThrow(expect.objectContaining({ retryAfterS: waitS }));
    attempts.check("anna", "b");
    attempts.check("bert", "a");
    await clock.advance(waitS * 1_000);
    attempts.check("anna", "a");
    attempts.failed("anna", "a");
  }
  await clock.advance(15 * 60_000);
  attempts.check("anna", "a");
});

test("one address that guesses at many users is slowed down, and many that guess at one", () => {
  const attempts = new Attempts(fakeClock());
  for (let i = 0; i < 30; i++) attempts.failed(`user-${i}`, "a");
  expect(() => attempts.check("fresh", "a")).toThrow(expect.objectContaining({ code: "too_many_requests" }));
  for (let i = 0; i < 60; i++) attempts.failed("anna", `address-${i}`);
  expect(() => attempts.check("anna", "fresh")).toThrow(expect.objectContaining({ retryAfterS: 30 }));
});

test("success forgives the pair, and memory is bounded", () => {
  const attempts = new Attempts(fakeClock());
  for (let i = 0; i < 9; i++) attempts.failed("anna", "");
  attempts.succeeded("anna", "");
  attempts.check("anna", "");
  for (let i = 0; i < 30_000; i++) attempts.failed(`user-${i}`.padEnd(10_000, "x"), `address-${i}`);
  expect(attempts.size).toBeLessThanOrEqual(10_000);
});
