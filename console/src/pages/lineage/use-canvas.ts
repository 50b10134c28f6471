import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { LaidOut, Point } from "./layout.ts";

const least = 0.25;
const most = 1.6;
/** A graph is not begun with smaller than this: it scrolls instead. */
const legible = 0.7;

const bounded = (scale: number, from = least, to = most) => Math.min(to, Math.max(from, scale));

/** How large a drawing is seen: by buttons, Ctrl and the wheel; and dragged by its ground. It scrolls as anything does. */
export function useCanvas(
  { width, height }: Pick<LaidOut, "width" | "height">,
  begin: Point,
): {
  readonly canvas: RefObject<HTMLElement | null>;
  readonly scale: number;
  readonly zoom: (factor: number) => void;
  readonly fit: () => void;
} {
  const canvas = useRef<HTMLElement>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const fitting = room.width === 0 ? 1 : Math.min(1, room.width / width, room.height / height);
  const scale = chosen ?? bounded(fitting, legible, 1);
  const now = useRef(scale);
  now.current = scale;

  // Once its size is known, it is seen where one begins to look.
  const isSeen = room.width > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: later changes move nothing under the reader's eyes
  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null || !isSeen) return;
    element.scrollTo(begin.x * scale - element.clientWidth / 2, begin.y * scale - element.clientHeight / 2);
  }, [isSeen]);

  const zoom = (factor: number, at?: { readonly x: number; readonly y: number }) => {
    const element = canvas.current;
    const to = bounded(now.current * factor);
    if (element === null || to === now.current) return;
    const { x, y } = at ?? { x: element.clientWidth / 2, y: element.clientHeight / 2 };
    const [left, top] = [(element.scrollLeft + x) / now.current, (element.scrollTop + y) / now.current];
    now.current = to;
    setChosen(to);
    // What is under the pointer stays there.
    requestAnimationFrame(() => element.scrollTo(left * to - x, top * to - y));
  };
  const zoomLatest = useRef(zoom);
  zoomLatest.current = zoom;

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    // It is as high as what it shows, up to its greatest height: that is the room there is.
    const watch = new ResizeObserver(() =>
      setRoom({ width: element.clientWidth, height: Number.parseFloat(getComputedStyle(element).maxHeight) || 600 }),
    );
    watch.observe(element);
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { left, top } = element.getBoundingClientRect();
      zoomLatest.current(Math.exp(-event.deltaY / 300), { x: event.clientX - left, y: event.clientY - top });
    };
    element.addEventListener("wheel", wheel, { passive: false });
    const undrag = dragging(element);
    return () => {
      watch.disconnect();
      element.removeEventListener("wheel", wheel);
      undrag();
    };
  }, []);

  return { canvas, scale, zoom, fit: () => setChosen(bounded(fitting)) };
}

/** The mouse moves the drawing by its ground; fingers scroll it anyway. */
function dragging(element: HTMLElement): () => void {
  const down = (event: PointerEvent) => {
    const isGround = event.target instanceof Element && event.target.closest("a, button") === null;
    if (event.button !== 0 || event.pointerType !== "mouse" || !isGround) return;
    const from = { x: event.clientX + element.scrollLeft, y: event.clientY + element.scrollTop };
    const move = (moved: PointerEvent) => element.scrollTo(from.x - moved.clientX, from.y - moved.clientY);
    const up = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      delete element.dataset.dragged;
    };
    element.dataset.dragged = "true";
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
  };
  element.addEventListener("pointerdown", down);
  return () => element.removeEventListener("pointerdown", down);
}
