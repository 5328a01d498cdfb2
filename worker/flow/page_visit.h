/* What one visit is, and how it is answered. Private to page_flow. */
#ifndef HANDBELL_FLOW_PAGE_VISIT_H
#define HANDBELL_FLOW_PAGE_VISIT_H

#include "queue/client/page_calls.h"
#include "worker/base/list.h"
#include "worker/flow/pages.h"
#include "worker/io/http.h"
#include "worker/model/token.h"

struct page_flow;

enum visit_state {
    VISIT_OPENED,   /* handed over by the server */
    VISIT_STOPPING, /* the opt-out is being committed */
    VISIT_UNDOING,  /* or taken back */
    VISIT_WAITING,  /* committed: a mail on the wire may end first */
    VISIT_VIEWING,  /* asking what to show */
    VISIT_REFUSED,  /* the link is not believed: said after a while */
    VISIT_CHECKING, /* is the database there? */
    VISIT_ANSWERED,
};

enum visit_wish { WISH_LOOK, WISH_ONE_CLICK, WISH_CONFIRM, WISH_UNDO };

struct visit {
    struct list_link link;
    struct page_flow *flow;
    struct http_request *request;
    struct loop_timer *timer;
    struct token token;
    enum visit_state state;
    enum visit_wish wish;
    uint64_t opened_ms;
    uint64_t committed_ms;
    bool may_arrive;
};

enum visit_problem { PROBLEM_UNKNOWN, PROBLEM_MALFORMED, PROBLEM_METHOD, PROBLEM_BUSY };

/* Each answers the request, whole. Nothing is left of it afterwards. */
void visit_answer_view(struct visit *visit, const struct pages *pages,
                       const struct page_view *view);
/* `allow`: the methods that there are, for PROBLEM_METHOD. */
void visit_answer_problem(struct visit *visit, const struct pages *pages,
                          enum visit_problem problem, const char *allow);
void visit_answer_text(struct visit *visit, unsigned status, const char *text);

#endif
