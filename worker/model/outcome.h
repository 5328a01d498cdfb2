/* What became of one attempt to send: a value that is passed whole. Empty strings, no NULLs. */
#ifndef HANDBELL_MODEL_OUTCOME_H
#define HANDBELL_MODEL_OUTCOME_H

enum outcome_kind {
    OUTCOME_SENT,      /* the peer answered 2xx after the data: it has the mail */
    OUTCOME_DEFERRED,  /* 4xx, or nothing was sent: may be tried again without risk */
    OUTCOME_REFUSED,   /* 5xx, or a mail that this peer can never take */
    OUTCOME_UNCERTAIN, /* the data ended and no reply came: RFC 1047's window */
};

/* Whom a failure concerns, and so what backs off. */
enum outcome_scope {
    OUTCOME_SCOPE_NONE,
    OUTCOME_SCOPE_RELAY,     /* connection, greeting, EHLO, TLS, AUTH, 421 */
    OUTCOME_SCOPE_MESSAGE,   /* MAIL FROM, DATA, the reply after the data */
    OUTCOME_SCOPE_RECIPIENT, /* RCPT TO */
    OUTCOME_SCOPE_DOMAIN,    /* RCPT TO, and it concerns all of the recipient's domain */
};

/* Where in the dialogue it happened. */
enum outcome_verb {
    OUTCOME_VERB_NONE,
    OUTCOME_VERB_CONNECT,
    OUTCOME_VERB_GREETING,
    OUTCOME_VERB_EHLO,
    OUTCOME_VERB_STARTTLS,
    OUTCOME_VERB_AUTH,
    OUTCOME_VERB_MAIL,
    OUTCOME_VERB_RCPT,
    OUTCOME_VERB_DATA,
    OUTCOME_VERB_BODY, /* after 354: the mail itself and the reply to its end */
};

enum { OUTCOME_ENHANCED_BYTES = 16, OUTCOME_TEXT_BYTES = 256 };

struct outcome {
    enum outcome_kind kind;
    enum outcome_scope scope;
    enum outcome_verb verb;
    int code;                              /* the SMTP reply code, 0 where there was none */
    char enhanced[OUTCOME_ENHANCED_BYTES]; /* RFC 3463 "5.1.1", or "" */
    char text[OUTCOME_TEXT_BYTES];         /* the peer's or our words, addresses redacted */
};

/* "sent", "deferred", "refused", "uncertain"; "relay", ...; "MAIL", ... for logs and the record. */
const char *outcome_kind_name(enum outcome_kind kind);
const char *outcome_scope_name(enum outcome_scope scope);
const char *outcome_verb_name(enum outcome_verb verb);

/* Copies a peer's words into `text`, cut to `text_bytes`: control and non-ASCII bytes become '?',
 * each run of characters around an '@' becomes "<address>", so that a reply that repeats the
 * recipient's address (most do) can be kept. */
void outcome_redact(char *text, unsigned text_bytes, const char *words, unsigned words_bytes);

/* Puts "<recipient>" in the place of each `word` in `text` that stands between characters which are
 * neither letters nor digits, whatever the case, also where the text was cut in its middle. `text`
 * is outcome_redact's. A word of one byte says nothing of anybody, and stays. */
void outcome_hide(char text[OUTCOME_TEXT_BYTES], const char *word, unsigned word_bytes);

#endif
