import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { live, useLive } from "../api/live.ts";
import { sessionQuery, signOut } from "../api/session.ts";
import { IconButton } from "../design/controls.tsx";
import { CommandName, Kbd, Name } from "../design/display.tsx";
import { Icon } from "../design/icon.tsx";
import { join } from "../design/join.ts";
import { tellFailure } from "../design/overlays.tsx";
import { Palette } from "./palette.tsx";
import { places } from "./places.ts";
import css from "./shell.module.css";
import { Shortcuts, useShortcuts } from "./shortcuts.tsx";
import { chooseTheme, isDark } from "./theme.ts";

/** What stands around every page, and the one stream of what happens now. */
export function Shell(): ReactNode {
  const client = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useEffect(() => {
    live.open(client);
    return () => live.close();
  }, [client]);
  useShortcuts({ openPalette: () => setPaletteOpen(true), openHelp: () => setHelpOpen(true) });
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        To the content
      </a>
      <Side onFind={() => setPaletteOpen(true)} />
      <div className={css.main}>
        <Connection />
        <CommandName value={session?.who?.command ?? "millrace"}>
          <Outlet />
        </CommandName>
      </div>
      <Palette isOpen={isPaletteOpen} onClose={() => setPaletteOpen(false)} onHelp={() => setHelpOpen(true)} />
      <Shortcuts isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
    </div>
  );
}

const findKeys = navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K";

function Side({ onFind }: { readonly onFind: () => void }): ReactNode {
  const { isConnected } = useLive();
  return (
    <header className={css.side}>
      <Link to="/" className={css.brand} aria-label="Millrace, home">
        <Mark />
        <span>Millrace</span>
      </Link>
      <button type="button" className={css.find} onClick={onFind} title={`Find pages, datasets, actions (${findKeys})`}>
        <Icon name="search" />
        <span>Find</span>
        <Kbd>{findKeys}</Kbd>
      </button>
      <nav className={css.nav} aria-label="Pages">
        {places.map(({ to, label, icon }) => (
          <Link
            key={to}
            to={to}
            className={css.link}
            activeOptions={{ exact: to === "/" }}
            title={label}
            aria-label={label}
          >
            <Icon name={icon} />
            <span>{label}</span>
          </Link>
        ))}
      </nav>
      <div className={css.foot}>
        <div className={css.state} role="status">
          <i className={join(css.live, !isConnected && css.lost)} />
          <span>{isConnected ? "Live" : "Connecting"}</span>
        </div>
        <Who />
      </div>
    </header>
  );
}

function Who(): ReactNode {
  const { data } = useQuery(sessionQuery);
  const client = useQueryClient();
  const navigate = useNavigate();
  const [dark, setDark] = useState(isDark);
  const who = data?.who ?? null;
  const leave = async () => {
    await signOut().catch(tellFailure);
    live.close();
    client.clear();
    await navigate({ to: "/sign-in" });
  };
  return (
    <div className={css.who}>
      <div className={css.whoName}>
        <Name>{who?.user}</Name>
        <small>{who?.organization}</small>
      </div>
      <div className={css.icons}>
        <IconButton
          small
          icon="theme"
          label={dark ? "Light theme" : "Dark theme"}
          onClick={() => {
            chooseTheme(dark ? "light" : "dark");
            setDark(!dark);
          }}
        />
        <IconButton small icon="signout" label="Sign out" onClick={() => void leave()} />
      </div>
    </div>
  );
}

/** Says that the stream is lost, once that has lasted. */
function Connection(): ReactNode {
  const { lostAtMs } = useLive();
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (lostAtMs === null) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), 1_500);
    return () => clearTimeout(timer);
  }, [lostAtMs]);
  if (!isShown) return null;
  return (
    <div className={css.banner} role="status">
      The server does not answer. What you see may be old; the console goes on by itself when it is back.
    </div>
  );
}

export function Mark({ size = 24 }: { readonly size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b6e62" />
      <g fill="none" stroke="#fff" strokeWidth="2.4" strokeLinecap="round">
        <circle cx="16" cy="13.5" r="6.2" />
        <path d="M16 7.3v12.4M9.8 13.5h12.4M11.6 9.1l8.8 8.8M20.4 9.1l-8.8 8.8M5.5 24.2c2.6-2 4.6-2 7 0s4.6 2 7 0 4.6-2 7 0" />
      </g>
    </svg>
  );
}
