import { type ComponentProps, type ReactNode, useId } from "react";
import css from "./controls.module.css";
import { Icon, type IconName } from "./icon.tsx";
import { join } from "./join.ts";

interface Looks {
  readonly look?: "plain" | "primary" | "danger" | "quiet";
  readonly small?: boolean;
}

/** The classes of a button, for links that look like one. */
export function buttonClass({ look = "plain", small = false }: Looks = {}): string {
  return join(css.button, look !== "plain" && css[look], small && css.small);
}

export interface ButtonProps extends ComponentProps<"button">, Looks {
  readonly icon?: IconName;
  /** Why it cannot be pressed now; without it, it can. */
  readonly unless?: string | null | undefined;
}

export function Button({ look, small, icon, unless, className, children, ...rest }: ButtonProps): ReactNode {
  const held = unless !== undefined && unless !== null;
  return (
    <button
      type="button"
      {...rest}
      className={join(buttonClass({ ...(look ? { look } : {}), ...(small ? { small } : {}) }), className)}
      disabled={held || rest.disabled}
      title={held ? unless : rest.title}
    >
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button without words on it; `label` says what it does. */
export function IconButton({
  icon,
  label,
  ...rest
}: ButtonProps & { readonly icon: IconName; readonly label: string }): ReactNode {
  const { look = "quiet", small = false, unless, className, ...others } = rest;
  const held = unless !== undefined && unless !== null;
  return (
    <button
      type="button"
      {...others}
      aria-label={label}
      title={held ? unless : label}
      disabled={held || others.disabled}
      className={join(buttonClass({ look, small }), css.icon, className)}
    >
      <Icon name={icon} />
    </button>
  );
}

interface FieldProps {
  readonly label: string;
  readonly help?: ReactNode;
  readonly wrong?: string | null;
}

/** A control with its label, help and what is wrong with it; hands the control the ids that tie them. */
export function Field({
  label,
  help,
  wrong,
  children,
}: FieldProps & {
  readonly children: (tie: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ReactNode;
}): ReactNode {
  const id = useId();
  const isWrong = wrong !== undefined && wrong !== null && wrong !== "";
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
      </label>
      {children({ id, "aria-describedby": `${id}-about`, "aria-invalid": isWrong })}
      <div id={`${id}-about`} className={isWrong ? css.wrong : css.help}>
        {isWrong ? wrong : help}
      </div>
    </div>
  );
}

export function Input({ className, ...rest }: ComponentProps<"input">): ReactNode {
  return <input {...rest} className={join(css.input, className)} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">): ReactNode {
  return <textarea {...rest} className={join(css.input, className)} />;
}

export function Select({ className, ...rest }: ComponentProps<"select">): ReactNode {
  return <select {...rest} className={join(css.input, className)} />;
}

export function SearchInput({ label, ...rest }: ComponentProps<"input"> & { readonly label: string }): ReactNode {
  return (
    <div className={css.search}>
      <Icon name="search" />
      <Input type="search" autoComplete="off" spellCheck={false} {...rest} aria-label={label} placeholder={label} />
    </div>
  );
}

/** One of a few. */
export function Segments<Value extends string>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
  readonly onChange: (value: Value) => void;
}): ReactNode {
  return (
    <div role="radiogroup" aria-label={label} className={css.segments}>
      {options.map((option) => (
        // biome-ignore lint/a11y/useSemanticElements: a button of a segmented control, which is a radio group
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          className={css.segment}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
