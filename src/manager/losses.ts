// Everything the manager refused, dropped or could not keep since it started, counted where it happens and shown in status.

export interface Losses {
  batchesRefused: number;
  activitiesNotKept: number;
  admittedNotKept: number;
  historyDropped: number;
  usesNotKept: number;
  traitsNotKept: number;
  behavioursNotLearned: number;
  notificationsDropped: number;
  notificationsFailed: number;
  eventsDropped: number;
  eventClientsRefused: number;
}

export function noLosses(): Losses {
  return {
    batchesRefused: 0,
    activitiesNotKept: 0,
    admittedNotKept: 0,
    historyDropped: 0,
    usesNotKept: 0,
    traitsNotKept: 0,
    behavioursNotLearned: 0,
    notificationsDropped: 0,
    notificationsFailed: 0,
    eventsDropped: 0,
    eventClientsRefused: 0,
  };
}
