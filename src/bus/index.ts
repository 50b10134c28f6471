export {
  type BusEvent,
  type EventBus,
  type EventHandler,
  type NewEvent,
  PostgresEventBus,
  type Subscription,
} from "./event-bus.ts";
