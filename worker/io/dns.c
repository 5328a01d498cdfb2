/* The resolver's adapter. Must not know what the records mean. */
#include "worker/io/dns.h"

#include "worker/base/clock.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

const struct setting dns_settings[] = {
    {"dns", "server", SETTING_TEXT, "", 0, 60, "",
     "The name server that `handbell check` asks: an IPv4 address, with :port where it is not 53. "
     "Empty: those of /etc/resolv.conf.",
     false},
    {"dns", "timeout_s", SETTING_INTEGER, "s", 1, 60, "5",
     "How long `handbell check` waits for the answer to one question.", false},
    {NULL, NULL, SETTING_TEXT, NULL, 0, 0, NULL, NULL, false},
};

bool dns_options_from_config(const struct config *config, struct dns_options *options,
                             struct error *error)
{
    const char *server = config_text(config, "dns", "server");
    const char *colon = strchr(server, ':');
    size_t size = colon != NULL ? (size_t)(colon - server) : strlen(server);
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : NAMESERVER_PORT;
    struct in_addr address;

    *options = (struct dns_options){
        .timeout_ms = (uint32_t)config_integer(config, "dns", "timeout_s") * 1000};
    if (*server == '\0')
        return true;
    (void)snprintf(options->address, sizeof options->address, "%.*s", (int)size, server);
    if (inet_pton(AF_INET, options->address, &address) != 1 || port < 1 || port > UINT16_MAX ||
        (colon != NULL && (end == colon + 1 || *end != '\0')))
        return error_set(error, EX_CONFIG,
                         "[dns] server: neither an IPv4 address nor address:port");
    options->port = (uint16_t)port;
    return true;
}

/* ---- In the process that asks: what is found goes out as "K reason NUL (text NUL)*". ---- */

struct answer {
    size_t size;
    char bytes[DNS_ANSWER_BYTES];
};

/* A tab is a blank to DKIM and DMARC (RFC 6376 section 2.8). */
static bool is_shown(char c)
{
    return (c >= ' ' && c <= '~') || c == '\t';
}

static void answer_put(struct answer *answer, const char *text, size_t size)
{
    if (size >= sizeof answer->bytes - answer->size)
        return;
    for (size_t i = 0; i < size; i++)
        answer->bytes[answer->size++] = is_shown(text[i]) ? text[i] : '?';
    answer->bytes[answer->size++] = '\0';
}

static void answer_begin(struct answer *answer, enum dns_kind kind, const char *reason)
{
    answer->size = 0;
    answer->bytes[answer->size++] = (char)('0' + kind);
    answer_put(answer, reason, strlen(reason));
}

/* A TXT record's data: strings, each with its length in front (RFC 1035 section 3.3.14). */
static bool record_take(const ns_rr *record, struct answer *answer)
{
    char text[DNS_TEXT_BYTES];
    size_t size = 0;
    const unsigned char *at = ns_rr_rdata(*record);
    const unsigned char *end = at + ns_rr_rdlen(*record);
    while (at < end) {
        size_t length = *at++;
        if (length > (size_t)(end - at))
            return false;
        size_t fits = length < sizeof text - size ? length : sizeof text - size;
        memcpy(text + size, at, fits);
        size += fits;
        at += length;
    }
    answer_put(answer, text, size);
    return true;
}

static void message_read(const unsigned char *bytes, int size, struct answer *answer)
{
    ns_msg message;
    size_t found = 0;
    answer_begin(answer, DNS_FOUND, "");
    if (ns_initparse(bytes, size, &message) != 0) {
        answer_begin(answer, DNS_MALFORMED, "an answer that cannot be read");
        return;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && found < DNS_TEXTS_MAXIMUM; i++) {
        ns_rr record;
        if (ns_parserr(&message, ns_s_an, i, &record) != 0) {
            answer_begin(answer, DNS_MALFORMED, "an answer that cannot be read");
            return;
        }
        if (ns_rr_type(record) != ns_t_txt || ns_rr_class(record) != ns_c_in)
            continue;
        if (!record_take(&record, answer)) {
            answer_begin(answer, DNS_MALFORMED, "a record that cannot be read");
            return;
        }
        found++;
    }
    if (found == 0)
        answer_begin(answer, DNS_NONE, "no such record");
}

static void name_ask(const struct dns_options *options, const char *name, struct answer *answer)
{
    static unsigned char bytes[NS_MAXMSG];
    struct __res_state state = {0};
    if (res_ninit(&state) != 0) {
        answer_begin(answer, DNS_UNANSWERED, "no resolver on this system");
        return;
    }
    /* Two tries within the limit. */
    state.retrans = (int)(options->timeout_ms / 2000) > 0 ? (int)(options->timeout_ms / 2000) : 1;
    state.retry = 2;
    state.options |= RES_USE_EDNS0;
    if (options->address[0] != '\0') {
        state.nscount = 1;
        state.nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET};
        state.nsaddr_list[0].sin_port = htons(options->port);
        (void)inet_pton(AF_INET, options->address, &state.nsaddr_list[0].sin_addr);
    }
    int size = res_nquery(&state, name, ns_c_in, ns_t_txt, bytes, sizeof bytes);
    if (size >= 0)
        message_read(bytes, size < (int)sizeof bytes ? size : (int)sizeof bytes, answer);
    else if (state.res_h_errno == HOST_NOT_FOUND)
        answer_begin(answer, DNS_NONE, "no such name");
    else if (state.res_h_errno == NO_DATA)
        answer_begin(answer, DNS_NONE, "no such record");
    else if (state.res_h_errno == TRY_AGAIN)
        answer_begin(answer, DNS_UNANSWERED, "the name server does not answer, or cannot");
    else
        answer_begin(answer, DNS_MALFORMED, "the name server refuses the question");
    res_nclose(&state);
}

/* What it reads comes from anywhere: it has the pipe and nothing else that the asker has open, and
 * ends by itself where the asker was killed. */
static void child_confine(const struct dns_options *options, int pipe_end)
{
    if (dup2(pipe_end, STDOUT_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
        _exit(EX_OSERR);
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(options->timeout_ms / 1000 + 1);
}

static void write_all(int fd, const struct answer *answer)
{
    size_t written = 0;
    while (written < answer->size) {
        ssize_t step = write(fd, answer->bytes + written, answer->size - written);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return;
        written += (size_t)step;
    }
}

/* ---- In the process that waits. ---- */

/* Reads until the other end closes or the time is up; the size. */
static size_t read_until(int fd, uint64_t until_ms, char *bytes, size_t room)
{
    size_t size = 0;
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        int ready = now_ms < until_ms ? poll(&watched, 1, (int)(until_ms - now_ms)) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return 0;
        ssize_t step = read(fd, bytes + size, room - size);
        if (step == 0)
            return size;
        if (step > 0)
            size += (size_t)step;
        else if (errno != EINTR && errno != EAGAIN)
            return 0;
    }
}

static void texts_read(struct dns_texts *texts, size_t size)
{
    const char *end = texts->memory + size;
    const char *at = texts->memory + 1;
    texts->kind = (enum dns_kind)(texts->memory[0] - '0');
    (void)snprintf(texts->reason, sizeof texts->reason, "%s", at);
    for (at += strlen(at) + 1; at < end && texts->count < DNS_TEXTS_MAXIMUM; at += strlen(at) + 1)
        texts->texts[texts->count++] = at;
}

static void texts_fail(struct dns_texts *texts, enum dns_kind kind, const char *reason)
{
    texts->kind = kind;
    (void)snprintf(texts->reason, sizeof texts->reason, "%s", reason);
}

void dns_query_txt(const struct dns_options *options, const char *name, struct dns_texts *texts)
{
    uint64_t until_ms = clock_monotonic_ms() + options->timeout_ms;
    int ends[2];
    *texts = (struct dns_texts){.memory = calloc(1, DNS_ANSWER_BYTES + 1)};
    if (texts->memory == NULL || pipe(ends) != 0) {
        texts_fail(texts, DNS_UNANSWERED, "no memory, or no file descriptor");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        static struct answer answer;
        child_confine(options, ends[1]);
        name_ask(options, name, &answer);
        write_all(STDOUT_FILENO, &answer);
        _exit(EX_OK);
    }
    (void)close(ends[1]);
    size_t size = child > 0 ? read_until(ends[0], until_ms, texts->memory, DNS_ANSWER_BYTES) : 0;
    (void)close(ends[0]);
    if (child > 0) {
        (void)kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (size > 1)
        texts_read(texts, size);
    else
        texts_fail(texts, DNS_UNANSWERED, "no answer in time");
}

void dns_texts_free(struct dns_texts *texts)
{
    free(texts->memory);
    *texts = (struct dns_texts){0};
}
