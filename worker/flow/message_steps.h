/* The steps of message_flow.c that begin elsewhere: private to message_flow_run.c, which opens,
 * closes and drives a flow. */
#ifndef HANDBELL_FLOW_MESSAGE_STEPS_H
#define HANDBELL_FLOW_MESSAGE_STEPS_H

#include "worker/flow/message_flow.h"

/* Marks what there is room for. */
void message_steps_mark(struct message_flow *flow);
/* Hands on what can be handed on: to the relay, to the signing, to the mark. */
void message_steps_advance(struct message_flow *flow);
/* The outbox's on_recorded; `context` is the flow. */
void message_steps_take_recorded(void *context, struct message *message,
                                 enum queue_recorded_state state);
/* Ends a message: the one way out. It is freed. */
void message_steps_end(struct message_flow *flow, struct message *message);
/* Hands a message, or all in `list`, back to the database as it was. */
void message_steps_give_back(struct message_flow *flow, struct message *message);
void message_steps_give_back_all(struct message_flow *flow, struct list *list);
/* Gives back all that has not begun, but for what the signing has. */
void message_steps_give_back_unbegun(struct message_flow *flow);
/* Ends what is claimed and nothing more, without a word. */
void message_steps_forget_claimed(struct message_flow *flow);

#endif
