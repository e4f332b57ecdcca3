/* aivo-server: reads its configuration, serves until it is told to end. */
#include "certificate.h"
#include "server.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void print(FILE *file, const struct aivo_buf *text)
{
    if (text->len)
        fwrite(text->data, 1, text->len, file);
    fflush(file);
}

/* Whoever starts us with 0, 1 or 2 closed would have the loop's own descriptors land there: libuv aborts when it closes
 * one of those, and log lines would go to a peer. */
static bool fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

/* Whoever asked for JSON gets nothing else on standard error once the settings are known. */
static void complain(const struct srv_config *config, const char *text)
{
    struct srv_log log;
    if (!config->log_json) {
        fprintf(stderr, "aivo-server: %s\n", text);
        return;
    }
    srv_log_init(&log, SRV_LOG_ERROR, true);
    srv_log(&log, SRV_LOG_ERROR, "%s", text);
}

static void log_lines(const struct srv_config *config, const struct aivo_buf *text)
{
    struct srv_log log;
    srv_log_init(&log, (enum srv_log_level)config->log_level, true);
    for (size_t at = 0; at < text->len;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->len - at);
        size_t len = end ? (size_t)(end - line) : text->len - at;
        srv_log(&log, SRV_LOG_WARN, "%.*s", (int)len, line);
        at += len + 1;
    }
}

int main(int argc, char **argv)
{
    if (!fill_standard_fds())
        return EXIT_FAILURE;
    struct srv_config config = {0};
    struct srv_config_outcome outcome = {0};
    srv_config_load(&config, argc, (const char *const *)argv, (const char *const *)environ, &outcome);
    print(stdout, &outcome.out);
    bool run = outcome.action == SRV_CONFIG_RUN;
    if (run && config.log_json)
        log_lines(&config, &outcome.err);
    else
        print(stderr, &outcome.err);
    int code = outcome.exit_code;
    srv_config_outcome_free(&outcome);
    if (!run)
        return code;

    static struct srv_server server;
    char error[512] = "", url[512];
    if (!srv_server_start(&server, &config, error, sizeof error)) {
        complain(&config, error);
        return EXIT_FAILURE;
    }
    srv_server_url(&server, url, sizeof url);
    printf("listening on %s\n", url);
    fflush(stdout);
    code = srv_server_run(&server);
    srv_server_stop(&server);
    srv_config_free(&config);
    return code;
}
