import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { type Extent, type Scroll, scrolled, seenFor } from "./scroll.ts";

export interface View {
  readonly top: number;
  readonly left: number;
  readonly width: number;
  /** Of the rows' part. */
  readonly height: number;
}

const restMs = 160;

/** The place among the rows that a scrolling element shows, and the way to go to one. */
export function useScroll(
  scroller: RefObject<HTMLDivElement | null>,
  height: number,
  headHeight: number,
): { readonly view: View; readonly goTo: (top: number, left: number) => void } {
  const [view, setView] = useState<View>({ top: 0, left: 0, width: 800, height: 400 });
  const scroll = useRef<Scroll>({ top: 0, seen: 0 });
  const extent = useRef<Extent>({ height, viewport: view.height });
  extent.current = { height, viewport: view.height };
  const isHeld = useRef(false);

  const goTo = useCallback(
    (top: number, left: number) => {
      const element = scroller.current;
      if (element === null) return;
      const seen = seenFor(top, extent.current);
      element.scrollTop = seen;
      element.scrollLeft = left;
      // What the browser made of it, so that its own event is no step.
      scroll.current = { top, seen: element.scrollTop };
      setView((before) => ({ ...before, top, left: element.scrollLeft }));
    },
    [scroller],
  );

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight } = element;
      setView((before) => ({ ...before, width, height: Math.max(0, clientHeight - headHeight) }));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller, headHeight]);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    let resting: ReturnType<typeof setTimeout> | undefined;
    const rest = () => {
      const { top } = scroll.current;
      // Not under the hand that drags the bar.
      if (isHeld.current) return;
      const seen = seenFor(top, extent.current);
      if (Math.abs(seen - element.scrollTop) > 1) goTo(top, element.scrollLeft);
    };
    const onScroll = () => {
      scroll.current = scrolled(scroll.current, element.scrollTop, extent.current);
      const { top } = scroll.current;
      // In the frame of the event: the rows move with the bar, and nothing blank is ever painted.
      flushSync(() => setView((before) => ({ ...before, top, left: element.scrollLeft })));
      clearTimeout(resting);
      resting = setTimeout(rest, restMs);
    };
    const onDown = () => {
      isHeld.current = true;
    };
    const onUp = () => {
      isHeld.current = false;
      rest();
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    element.addEventListener("pointerdown", onDown);
    window.addEventListener("pointerup", onUp);
    return () => {
      clearTimeout(resting);
      element.removeEventListener("scroll", onScroll);
      element.removeEventListener("pointerdown", onDown);
      window.removeEventListener("pointerup", onUp);
    };
  }, [scroller, goTo]);

  // Fewer rows than before: a place behind the last is none.
  useEffect(() => {
    const most = Math.max(0, height - view.height);
    if (scroll.current.top > most) goTo(most, scroller.current?.scrollLeft ?? 0);
  }, [height, view.height, goTo, scroller]);

  return { view, goTo };
}
