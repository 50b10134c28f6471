import type { TreeNode } from "./tree.ts";

/** Nodes as DuckDB's parser makes them, for what is put into a statement. `at`: where in its text they are said to stand. */
export class Builder {
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  column(...names: readonly string[]): TreeNode {
    return this.#expression("COLUMN_REF", "COLUMN_REF", { column_names: [...names] });
  }

  whole(value: number): TreeNode {
    return this.#constant({ type: { id: "BIGINT", type_info: null }, is_null: false, value });
  }

  text(value: string): TreeNode {
    return this.#constant({ type: { id: "VARCHAR", type_info: null }, is_null: false, value });
  }

  nothing(): TreeNode {
    return this.#constant({ type: { id: "NULL", type_info: null }, is_null: true });
  }

  cast(child: TreeNode, type: string): TreeNode {
    const cast_type = { id: type, type_info: null };
    return this.#expression("CAST", "OPERATOR_CAST", { child, cast_type, try_cast: false });
  }

  call(name: string, ...children: readonly TreeNode[]): TreeNode {
    return this.#expression("FUNCTION", "FUNCTION", {
      function_name: name,
      schema: "",
      catalog: "",
      children: [...children],
      filter: null,
      order_bys: { type: "ORDER_MODIFIER", orders: [] },
      distinct: false,
      is_operator: !/^[a-z]/.test(name),
      export_state: false,
    });
  }

  between(input: TreeNode, lower: TreeNode, upper: TreeNode): TreeNode {
    return this.#expression("BETWEEN", "COMPARE_BETWEEN", { input, lower, upper });
  }

  /** CASE WHEN left < right THEN then ELSE otherwise END */
  whenLess(left: TreeNode, right: TreeNode, then: TreeNode, otherwise: TreeNode): TreeNode {
    const when_expr = this.#expression("COMPARISON", "COMPARE_LESSTHAN", { left, right });
    return this.#expression("CASE", "CASE_EXPR", {
      case_checks: [{ when_expr, then_expr: then }],
      else_expr: otherwise,
    });
  }

  /** Over the rows of equal `partitions`, those before and beside each row in the order of `order`; without one, over all. */
  over(name: "lag" | "max", child: TreeNode, partitions: readonly TreeNode[], order: TreeNode | null = null): TreeNode {
    return this.#expression("WINDOW", name === "lag" ? "WINDOW_LAG" : "WINDOW_AGGREGATE", {
      function_name: name,
      schema: "",
      catalog: "",
      children: [child],
      partitions: [...partitions],
      orders: order === null ? [] : [{ type: "ORDER_DEFAULT", null_order: "ORDER_DEFAULT", expression: order }],
      start: "UNBOUNDED_PRECEDING",
      end: "CURRENT_ROW_RANGE",
      start_expr: null,
      end_expr: null,
      offset_expr: null,
      default_expr: null,
      ignore_nulls: false,
      filter_expr: null,
      exclude_clause: "NO_OTHER",
      distinct: false,
      arg_orders: [],
    });
  }

  star(...excluded: readonly string[]): TreeNode {
    return this.#star({ exclude_list: [...excluded] });
  }

  /** Every column but those of these names, which need not be there: COLUMNS(lambda c: lower(c) NOT IN (...)). */
  starWithout(...names: readonly string[]): TreeNode {
    const lhs = this.column("c");
    const children = [this.call("lower", this.column("c")), ...names.map((name) => this.text(name))];
    const expr = this.#expression("OPERATOR", "COMPARE_NOT_IN", { children });
    const lambda = this.#expression("LAMBDA", "LAMBDA", { lhs, expr });
    return this.#star({ columns: true, expr: this.call("list_filter", this.star(), lambda) });
  }

  select(select_list: readonly TreeNode[], from_table: TreeNode, where_clause: TreeNode | null = null): TreeNode {
    return {
      type: "SELECT_NODE",
      modifiers: [],
      cte_map: { map: [] },
      select_list: [...select_list],
      from_table,
      where_clause,
      group_expressions: [],
      group_sets: [],
      aggregate_handling: "STANDARD_HANDLING",
      having: null,
      sample: null,
      qualify: null,
    };
  }

  table(schema: string, name: string): TreeNode {
    return {
      type: "BASE_TABLE",
      alias: "",
      sample: null,
      query_location: this.#at,
      schema_name: schema,
      table_name: name,
      column_name_alias: [],
      catalog_name: "",
      at_clause: null,
    };
  }

  subquery(node: TreeNode, alias: string): TreeNode {
    return {
      type: "SUBQUERY",
      alias,
      sample: null,
      query_location: this.#at,
      subquery: { node, named_param_map: [] },
      column_name_alias: [],
    };
  }

  #constant(value: TreeNode): TreeNode {
    return this.#expression("CONSTANT", "VALUE_CONSTANT", { value });
  }

  #star(members: TreeNode): TreeNode {
    const none = { relation_name: "", exclude_list: [], replace_list: [], columns: false, expr: null };
    return this.#expression("STAR", "STAR", { ...none, qualified_exclude_list: [], rename_list: [], ...members });
  }

  #expression(kind: string, type: string, members: TreeNode): TreeNode {
    return { class: kind, type, alias: "", query_location: this.#at, ...members };
  }
}

export function named(expression: TreeNode, alias: string): TreeNode {
  return { ...expression, alias };
}
