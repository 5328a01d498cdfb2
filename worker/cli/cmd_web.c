/* `handbell web`: serves the pages until it is asked to end. It needs no DKIM key and no relay's
 * password, and reads neither. */
#include "worker/base/log.h"
#include "worker/cli/cli.h"
#include "worker/flow/page_flow.h"
#include "worker/flow/watchdog.h"
#include "worker/io/loop.h"
#include "worker/io/service.h"

#include <signal.h>
#include <stddef.h>
#include <sysexits.h>

/* Requests under way are finished; what takes longer than this is not waited for. */
enum { STOP_WITHIN_MS = 4500, SIGNALS = 3 };

struct web {
    const struct cli_arguments *arguments;
    struct loop *loop;
    struct page_flow *flow;
    struct loop_timer *stop_timer;
    struct watchdog watchdog;
    struct error unfit;
    bool is_stopping;
};

static void web_database_unfit(void *context, const char *reason)
{
    struct web *web = context;
    error_set(&web->unfit, EX_CONFIG, "[database] url: %s", reason);
    loop_stop(web->loop);
}

static void web_stopped(void *context)
{
    struct web *web = context;
    loop_stop(web->loop);
}

static void web_stop(struct web *web)
{
    if (web->is_stopping)
        return;
    web->is_stopping = true;
    service_notify_stopping();
    LOG(LOG_LEVEL_INFO, "web_stopping", log_int("within_ms", STOP_WITHIN_MS));
    loop_timer_start(web->stop_timer, STOP_WITHIN_MS);
    page_flow_stop(web->flow, web_stopped, web);
}

static void web_reload(struct web *web)
{
    struct error error;
    service_notify_reloading();
    struct config *config = config_load(web->arguments->config_path, cli_settings(), &error);
    if (config != NULL && page_flow_reload(web->flow, config, &error))
        LOG(LOG_LEVEL_INFO, "web_reloaded", log_text("what", "keys and pages"));
    else
        LOG(LOG_LEVEL_ERROR, "web_reload_failed", log_text("kept", "what was before"),
            log_text("reason", error.text));
    config_free(config);
    service_notify_ready();
}

static void web_signalled(void *context, int number)
{
    struct web *web = context;
    if (number == SIGHUP)
        web_reload(web);
    else
        web_stop(web);
}

static bool web_start(struct web *web, struct loop_signal *signals[SIGNALS], struct error *error)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < SIGNALS; i++) {
        signals[i] = loop_signal_new(web->loop, numbers[i], web_signalled, web, error);
        if (signals[i] == NULL)
            return false;
    }
    web->stop_timer = loop_timer_new(web->loop, web_stopped, web);
    if (web->stop_timer == NULL || !watchdog_start(&web->watchdog, web->loop, NULL, NULL))
        return error_set(error, EX_OSERR, "no memory");
    web->flow = page_flow_new(web->loop, web->arguments->config, web_database_unfit, web, error);
    return web->flow != NULL;
}

int cli_run_web(const struct cli_arguments *arguments)
{
    struct error error;
    struct loop_signal *signals[SIGNALS] = {NULL};
    struct web web = {.arguments = arguments, .loop = loop_new(&error)};
    if (web.loop == NULL)
        return cli_fail(arguments, &error);
    bool is_started = web_start(&web, signals, &error);
    if (is_started) {
        service_notify_ready();
        loop_run(web.loop);
        LOG(LOG_LEVEL_INFO, "web_stopped", log_int("exit_status", web.unfit.exit_status));
    }
    page_flow_free(web.flow);
    watchdog_stop(&web.watchdog);
    loop_timer_free(web.stop_timer);
    for (size_t i = 0; i < SIGNALS; i++)
        loop_signal_free(signals[i]);
    loop_free(web.loop);
    if (!is_started)
        return cli_fail(arguments, &error);
    return web.unfit.exit_status == EX_OK ? EX_OK : cli_fail(arguments, &web.unfit);
}
