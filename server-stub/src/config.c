#include "config.h"
#include "address.h"
#include "auth.h"
#include "certificate.h"
#include "config_table.h"
#include "cors.h"
#include "env.h"
#include "outside.h"
#include <aivo/aivo.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

/* Where a variable's value stands at the end, and what it is. */
struct setting {
    enum source source;
    size_t line; /* in the file */
    char *text;  /* owned; NULL for the default */
};

struct loading {
    struct srv_config *config;
    struct srv_config_outcome *outcome;
    struct setting settings[SRV_VARIABLE_COUNT];
    char *env_file; /* owned; NULL: ./.env, if there is one */
    bool conformance, check, help, version;
    bool unread;   /* a part of the file could not be read: what is missing may well stand there */
    int exit_code; /* 0 while nothing is wrong */
};

static void say(struct aivo_buf *out, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void say(struct aivo_buf *out, const char *format, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, args);
    aivo_buf_str(out, "aivo-server: ");
    for (const char *c = line; *c != '\0'; c++)
        aivo_buf_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c); /* one line, whatever was quoted */
    aivo_buf_char(out, '\n');
}

static void problem(struct loading *l, int exit_code, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void problem(struct loading *l, int exit_code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(&l->outcome->err, format, args);
    va_end(args);
    if (l->exit_code != SRV_CONFIG_EXIT_USAGE)
        l->exit_code = exit_code;
}

static void warning(struct loading *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warning(struct loading *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(&l->outcome->err, format, args);
    va_end(args);
}

static const char *env_file_name(const struct loading *l)
{
    return l->env_file != NULL ? l->env_file : ".env";
}

/* "PORT", with where its value comes from in front: what a complaint about it begins with. */
static void where(const struct loading *l, int variable, char *out, size_t size)
{
    const struct setting *s = &l->settings[variable];
    const char *name = srv_variables[variable].name;
    char flag[64];
    if (s->source == SOURCE_FILE) {
        snprintf(out, size, "%s:%zu: %s", env_file_name(l), s->line, name);
    } else if (s->source == SOURCE_FLAG) {
        srv_variable_flag(variable, flag, sizeof flag);
        snprintf(out, size, "%s", flag);
    } else {
        snprintf(out, size, s->source == SOURCE_ENVIRONMENT ? "environment: %s" : "%s", name);
    }
}

static void bad_value(struct loading *l, int variable, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void bad_value(struct loading *l, int variable, const char *format, ...)
{
    char place[256], why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    where(l, variable, place, sizeof place);
    bool flag = l->settings[variable].source == SOURCE_FLAG;
    problem(l, flag ? SRV_CONFIG_EXIT_USAGE : SRV_CONFIG_EXIT_CONFIG, "%s: %s", place, why);
}

/* The later source wins; within one source the later value. */
static void set(struct loading *l, int variable, enum source source, size_t line, const char *value)
{
    struct setting *s = &l->settings[variable];
    if (source < s->source)
        return;
    free(s->text);
    *s = (struct setting){source, line, strdup(value)};
    if (s->text == NULL)
        problem(l, SRV_CONFIG_EXIT_CONFIG, "out of memory");
}

/* The index of text in a NULL-terminated list of words, without regard to case; -1 if it is none. */
static int word_index(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return i;
    }
    return -1;
}

static const char *const bool_words[] = {"false", "true", "0", "1", "no", "yes", "off", "on", NULL};

/* ---- flags ---- */

static bool take_own_flag(struct loading *l, const char *name, size_t len)
{
    struct {
        const char *name;
        bool *flag;
    } own[] = {{"--conformance", &l->conformance}, {"--check", &l->check}, {"--help", &l->help}, {"-h", &l->help},
               {"--version", &l->version},         {"-V", &l->version}};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strlen(own[i].name) == len && memcmp(own[i].name, name, len) == 0) {
            *own[i].flag = true;
            return true;
        }
    }
    return false;
}

static void unknown_flag(struct loading *l, const char *name, size_t len)
{
    char flag[64];
    int near = srv_variable_near(name, len, true);
    if (near >= 0)
        srv_variable_flag(near, flag, sizeof flag);
    problem(l, SRV_CONFIG_EXIT_USAGE, "unknown %s '%.*s'%s%s (see --help)", name[0] == '-' ? "flag" : "argument",
            len > 100 ? 100 : (int)len, name, near >= 0 ? ", did you mean " : "", near >= 0 ? flag : "");
}

static void read_flags(struct loading *l, int argc, const char *const *argv)
{
    for (int i = 1; i < argc && l->exit_code == 0; i++) {
        const char *arg = argv[i], *equals = strchr(arg, '=');
        size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
        if (equals == NULL && take_own_flag(l, arg, len))
            continue;
        bool is_env = len == 5 && memcmp(arg, "--env", 5) == 0;
        int variable = is_env ? -1 : srv_variable_by_flag(arg, len);
        if (!is_env && variable < 0) {
            unknown_flag(l, arg, len);
            return;
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (value == NULL && !is_env && srv_variables[variable].kind == SRV_KIND_BOOL)
            value = i + 1 < argc && word_index(argv[i + 1], bool_words) >= 0 ? argv[++i] : "true";
        else if (value == NULL && i + 1 < argc)
            value = argv[++i];
        if (value == NULL) {
            problem(l, SRV_CONFIG_EXIT_USAGE, "%.*s needs a value", (int)len, arg);
        } else if (strlen(value) >= SRV_CONFIG_MAX_LINE_BYTES) {
            problem(l, SRV_CONFIG_EXIT_USAGE, "%.*s: the value is too long", (int)len, arg);
        } else if (is_env) {
            free(l->env_file);
            l->env_file = strdup(value);
        } else {
            set(l, variable, SOURCE_FLAG, 0, value);
        }
    }
}

/* ---- environment ---- */

static void read_environment(struct loading *l, const char *const *envp)
{
    for (; envp != NULL && *envp != NULL; envp++) {
        const char *equals = strchr(*envp, '=');
        int variable = equals == NULL ? -1 : srv_variable_by_name(*envp, (size_t)(equals - *envp));
        if (variable < 0)
            continue;
        if (strlen(equals + 1) >= SRV_CONFIG_MAX_LINE_BYTES)
            problem(l, SRV_CONFIG_EXIT_CONFIG, "environment: %s: the value is too long", srv_variables[variable].name);
        else
            set(l, variable, SOURCE_ENVIRONMENT, 0, equals + 1);
    }
}

/* ---- the .env file ---- */

/* Appends the file's bytes; 0, or an errno (EFBIG: over the bound). */
static int read_file(const char *path, struct aivo_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
    if (fd < 0)
        return errno;
    char chunk[4096];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error = errno;
        if (n <= 0)
            break;
        aivo_buf_add(out, chunk, (size_t)n);
        if (out->len > SRV_CONFIG_MAX_FILE_BYTES || out->failed) {
            error = out->failed ? ENOMEM : EFBIG;
            break;
        }
    }
    close(fd);
    return error;
}

static void take_entry(struct loading *l, const struct srv_env_entry *entry)
{
    int variable = srv_variable_by_name(entry->name, entry->name_len);
    if (variable >= 0) {
        set(l, variable, SOURCE_FILE, entry->line, entry->value);
        return;
    }
    int near = srv_variable_near(entry->name, entry->name_len, false);
    if (near >= 0)
        warning(l, "%s:%zu: warning: %.*s is ignored, did you mean %s?", env_file_name(l), entry->line,
                (int)entry->name_len, entry->name, srv_variables[near].name);
}

static void read_env_text(struct loading *l, const char *text, size_t len)
{
    struct srv_env_reader reader;
    struct srv_env_entry entry;
    enum srv_env_status status;
    srv_env_reader_init(&reader, text, len, SRV_CONFIG_MAX_LINE_BYTES);
    while ((status = srv_env_next(&reader, &entry)) != SRV_ENV_END) {
        if (status == SRV_ENV_ENTRY)
            take_entry(l, &entry);
        else {
            l->unread = true;
            problem(l, SRV_CONFIG_EXIT_CONFIG, "%s:%zu: %s", env_file_name(l), entry.line, srv_env_strerror(status));
        }
    }
    srv_env_reader_free(&reader);
}

static void read_env_file(struct loading *l)
{
    struct aivo_buf text;
    aivo_buf_init(&text);
    int error = read_file(env_file_name(l), &text);
    l->unread = error != 0 && (error != ENOENT || l->env_file != NULL);
    if (error == EFBIG)
        problem(l, SRV_CONFIG_EXIT_CONFIG, "%s: longer than %d bytes", env_file_name(l), SRV_CONFIG_MAX_FILE_BYTES);
    else if (l->unread)
        problem(l, SRV_CONFIG_EXIT_CONFIG, "%s: %s", env_file_name(l), strerror(error));
    else if (text.len > 0)
        read_env_text(l, text.data, text.len);
    aivo_buf_free(&text);
}

/* ---- values ---- */

static void apply_string(struct loading *l, int variable, const char *text)
{
    const struct srv_variable *v = &srv_variables[variable];
    for (const char *c = text; *c != '\0' && !v->secret; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            bad_value(l, variable, "a control character in the value");
            return;
        }
    }
    char **field = (char **)srv_variable_field(l->config, variable);
    *field = text[0] == '\0' ? NULL : strdup(text);
    if (text[0] != '\0' && *field == NULL)
        problem(l, SRV_CONFIG_EXIT_CONFIG, "out of memory");
}

static bool parse_number(const char *text, uint32_t *out)
{
    uint64_t value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || value > UINT32_MAX)
            return false;
        value = value * 10 + (uint64_t)(*c - '0');
    }
    *out = (uint32_t)value;
    return text[0] != '\0' && value <= UINT32_MAX;
}

static void apply_number(struct loading *l, int variable, const char *text)
{
    const struct srv_variable *v = &srv_variables[variable];
    uint32_t value;
    if (!parse_number(text, &value) || value < v->min || value > v->max) {
        bad_value(l, variable, "'%.100s' is not a number of %u..%u", text, v->min, v->max);
        return;
    }
    if (v->kind == SRV_KIND_U16)
        *(uint16_t *)srv_variable_field(l->config, variable) = (uint16_t)value;
    else
        *(uint32_t *)srv_variable_field(l->config, variable) = value;
}

static void apply_word(struct loading *l, int variable, const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    void *field = srv_variable_field(l->config, variable);
    int i;
    switch (srv_variables[variable].kind) {
    case SRV_KIND_BOOL:
        if ((i = word_index(text, bool_words)) < 0)
            bad_value(l, variable, "'%.100s' is neither true nor false", text);
        else
            *(bool *)field = i % 2 == 1;
        break;
    case SRV_KIND_LEVEL:
        if ((i = word_index(text, levels)) < 0)
            bad_value(l, variable, "'%.100s' is none of error, warn, info, debug", text);
        else
            *(enum srv_log_level_setting *)field = (enum srv_log_level_setting)i;
        break;
    default:
        if ((i = word_index(text, formats)) < 0)
            bad_value(l, variable, "'%.100s' is neither text nor json", text);
        else
            *(bool *)field = i == 1;
        break;
    }
}

static void apply_all(struct loading *l)
{
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        const char *text = l->settings[i].text;
        if (text == NULL || text[0] == '\0')
            text = srv_variables[i].fallback; /* set to nothing is unset */
        switch (srv_variables[i].kind) {
        case SRV_KIND_STRING:
            apply_string(l, i, text);
            break;
        case SRV_KIND_U16:
        case SRV_KIND_U32:
            apply_number(l, i, text);
            break;
        default:
            apply_word(l, i, text);
            break;
        }
    }
}

/* ---- what belongs together ---- */

bool srv_config_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

static void check_readable(struct loading *l, int variable, const char *path)
{
    if (path != NULL && access(path, R_OK) != 0)
        bad_value(l, variable, "%s: %s", path, strerror(errno));
}

static void check_tls(struct loading *l)
{
    struct srv_config *c = l->config;
    if (!c->ssl_enabled)
        return;
    if (c->ssl_key_path == NULL)
        bad_value(l, SRV_VAR_SSL_ENABLED, "SSL_KEY_PATH is not set");
    if (c->ssl_cert_path == NULL)
        bad_value(l, SRV_VAR_SSL_ENABLED, "SSL_CERT_PATH is not set");
    check_readable(l, SRV_VAR_SSL_KEY_PATH, c->ssl_key_path);
    check_readable(l, SRV_VAR_SSL_CERT_PATH, c->ssl_cert_path);
    check_readable(l, SRV_VAR_SSL_CA_PATH, c->ssl_ca_path);
    /* Here and not only where the server starts, so that --check and a start say the same and end with the same. */
    char error[512], place[256];
    struct srv_tls_dates dates;
    if (l->exit_code != 0)
        return;
    if (srv_tls_check(c, &dates, error, sizeof error)) {
        if (dates.notice[0])
            warning(l, "warning: %s", dates.notice);
        return;
    }
    where(l, SRV_VAR_SSL_ENABLED, place, sizeof place);
    problem(l, SRV_CONFIG_EXIT_CONFIG, "%s: %s", place, error); /* the files' fault, wherever they are named */
}

static void check_secret(struct loading *l, bool loopback)
{
    struct srv_config *c = l->config;
    if (c->jwt_secret == NULL) {
        c->jwt_secret = strdup(SRV_CONFIG_DEVELOPMENT_SECRET);
        if (c->jwt_secret == NULL) {
            problem(l, SRV_CONFIG_EXIT_CONFIG, "out of memory");
            return;
        }
    }
    c->jwt_secret_is_development = strcmp(c->jwt_secret, SRV_CONFIG_DEVELOPMENT_SECRET) == 0;
    if (c->jwt_secret_is_development && !loopback)
        bad_value(l, SRV_VAR_NEXTAUTH_SECRET,
                  "set a secret of your own: the development secret is accepted on a loopback HOST only, not on %.100s",
                  c->host);
    else if (!loopback && strlen(c->jwt_secret) < 32)
        warning(l, "warning: NEXTAUTH_SECRET is shorter than 32 bytes: it can be guessed from a single token");
}

static void check_auth(struct loading *l, bool loopback)
{
    struct srv_config *c = l->config;
    char error[256];
    struct srv_auth *auth = NULL;
    if (c->jwt_public_key_path == NULL) {
        check_secret(l, loopback);
        return;
    }
    if (c->jwt_secret != NULL)
        warning(l, "warning: NEXTAUTH_SECRET is not used: JWT_PUBLIC_KEY_PATH is set");
    srv_wipe_free(&c->jwt_secret);
    if (!srv_auth_new(NULL, c->jwt_public_key_path, &auth, error, sizeof error))
        bad_value(l, SRV_VAR_JWT_PUBLIC_KEY_PATH, "%s", error);
    srv_auth_destroy(auth);
}

static void check_redis(struct loading *l)
{
    const struct srv_config *c = l->config;
    if (c->redis_host != NULL && strlen(c->redis_host) > 253)
        bad_value(l, SRV_VAR_REDIS_HOST, "too long for a name or an address");
    if (c->redis_username != NULL && c->redis_password == NULL)
        bad_value(l, SRV_VAR_REDIS_USERNAME, "a user without REDIS_PASSWORD");
}

static void check_agent(struct loading *l)
{
    const struct srv_config *c = l->config;
    char error[256];
    if (c->agent_url == NULL)
        return;
    enum srv_outside_url url = srv_outside_check_url(c->agent_url, error, sizeof error);
    if (url == SRV_OUTSIDE_URL_BAD)
        bad_value(l, SRV_VAR_AGENT_URL, "%s", error);
    else if (url == SRV_OUTSIDE_URL_PLAIN && c->agent_token != NULL)
        warning(l, "warning: AGENT_TOKEN is sent over plain http: others on the way can read it");
    if (c->agent_token != NULL && !srv_outside_check_token(c->agent_token))
        bad_value(l, SRV_VAR_AGENT_TOKEN, "only visible ASCII characters can stand in a header, 4096 of them at most");
    check_readable(l, SRV_VAR_AGENT_CA_PATH, c->agent_ca_path);
    if (c->agent_ca_path != NULL && access(c->agent_ca_path, R_OK) == 0 && !srv_outside_check_ca(c->agent_ca_path))
        bad_value(l, SRV_VAR_AGENT_CA_PATH, "%s: no certificates in PEM form", c->agent_ca_path);
}

/* The values that need more than their kind to be judged. */
static bool check_host(struct loading *l)
{
    const char *host = l->config->host;
    if (host == NULL)
        return false; /* told already */
    /* No part of a name begins with a dash: "-1" was meant for something else. */
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_%")] == '\0' &&
        strlen(host) <= 253 && host[0] != '-' && strstr(host, ".-") == NULL)
        return true;
    bad_value(l, SRV_VAR_HOST, "'%.100s' is neither an address nor a name", host);
    return false;
}

static void check_cors(struct loading *l)
{
    char error[300];
    struct srv_cors *cors = NULL;
    if (l->config->cors_origin != NULL && !srv_cors_new(l->config->cors_origin, &cors, error, sizeof error))
        bad_value(l, SRV_VAR_CORS_ORIGIN, "%s", error);
    srv_cors_destroy(cors);
}

static void check_limits(struct loading *l)
{
    char error[160];
    struct srv_nets nets;
    uint32_t queue = l->config->max_send_queue_bytes;
    if (!srv_nets_parse(&nets, l->config->trusted_proxies, error, sizeof error))
        bad_value(l, SRV_VAR_TRUSTED_PROXIES, "%s", error);
    if (queue > 0 && queue < 4096)
        bad_value(l, SRV_VAR_MAX_SEND_QUEUE_BYTES, "'%u' is neither 0 nor at least 4096", queue);
}

/* Only with a good HOST, and a file that was read to its end: else they would complain about what is not missing. */
static void check_together(struct loading *l)
{
    struct srv_config *c = l->config;
    bool loopback = srv_config_is_loopback(c->host);
    check_tls(l);
    c->conformance = l->conformance;
    if (!c->conformance)
        check_auth(l, loopback);
    else if (!loopback)
        warning(l, "warning: --conformance switches authentication off, and %.100s can be reached by others", c->host);
    if (c->bench_events && !loopback && !c->conformance)
        bad_value(l, SRV_VAR_BENCH_EVENTS, "accepted on a loopback HOST only");
    if (c->conformance)
        c->bench_events = true;
    if (c->test_handler_delay_ms > 0 && !c->conformance)
        bad_value(l, SRV_VAR_TEST_HANDLER_DELAY_MS, "accepted with --conformance only");
}

static void check_all(struct loading *l)
{
    bool host = check_host(l);
    check_cors(l);
    check_redis(l);
    check_agent(l);
    check_limits(l);
    if (host && !l->unread)
        check_together(l);
}

/* ---- printing ---- */

static void print_value(const struct srv_config *config, int variable, struct aivo_buf *out)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const struct srv_variable *v = &srv_variables[variable];
    const void *field = srv_variable_field((struct srv_config *)config, variable);
    switch (v->kind) {
    case SRV_KIND_STRING: {
        const char *text = *(char *const *)field;
        /* What stands in an address behind '?' may well be a key. */
        const char *query = text != NULL && variable == SRV_VAR_AGENT_URL ? strchr(text, '?') : NULL;
        if (query != NULL)
            aivo_buf_add(out, text, (size_t)(query + 1 - text));
        if (text != NULL)
            aivo_buf_str(out, v->secret || query != NULL ? "********" : text);
        break;
    }
    case SRV_KIND_U16:
        aivo_buf_u64(out, *(const uint16_t *)field);
        break;
    case SRV_KIND_U32:
        aivo_buf_u64(out, *(const uint32_t *)field);
        break;
    case SRV_KIND_BOOL:
        aivo_buf_str(out, *(const bool *)field ? "true" : "false");
        break;
    case SRV_KIND_LEVEL:
        aivo_buf_str(out, levels[*(const enum srv_log_level_setting *)field]);
        break;
    case SRV_KIND_FORMAT:
        aivo_buf_str(out, *(const bool *)field ? "json" : "text");
        break;
    }
}

static void print_all(const struct srv_config *config, const struct loading *l, struct aivo_buf *out)
{
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        aivo_buf_str(out, srv_variables[i].name);
        aivo_buf_char(out, '=');
        print_value(config, i, out);
        if (i == SRV_VAR_NEXTAUTH_SECRET && config->jwt_secret_is_development)
            aivo_buf_str(out, "  # the development secret");
        else if (l != NULL && l->settings[i].source != SOURCE_DEFAULT) {
            char place[256];
            where(l, i, place, sizeof place);
            if (l->settings[i].source != SOURCE_FLAG)
                *strrchr(place, ':') = '\0'; /* without the name, which the line begins with */
            aivo_buf_str(out, "  # ");
            aivo_buf_str(out, place);
        }
        aivo_buf_char(out, '\n');
    }
    aivo_buf_str(out, config->conformance ? "# --conformance is on: no authentication\n" : "# --conformance is off\n");
}

void srv_config_print(const struct srv_config *config, struct aivo_buf *out)
{
    print_all(config, NULL, out);
}

/* ---- the whole ---- */

static void finish(struct loading *l)
{
    struct srv_config_outcome *o = l->outcome;
    if (l->exit_code == 0 && !l->check)
        return;
    o->action = SRV_CONFIG_EXIT;
    o->exit_code = l->exit_code;
    if (l->exit_code == 0) {
        print_all(l->config, l, &o->out);
        if (o->out.failed)
            o->exit_code = SRV_CONFIG_EXIT_CONFIG;
    }
    srv_config_free(l->config);
}

static void load(struct loading *l, int argc, const char *const *argv, const char *const *envp)
{
    read_flags(l, argc, argv);
    if (l->exit_code == 0 && (l->help || l->version)) {
        if (l->help)
            srv_variables_help(&l->outcome->out);
        else
            aivo_buf_str(&l->outcome->out, "aivo-server " SRV_VERSION "\n");
        l->outcome->action = SRV_CONFIG_EXIT;
        return;
    }
    if (l->exit_code == 0) {
        read_environment(l, envp);
        read_env_file(l);
        apply_all(l);
        check_all(l);
    }
    finish(l);
}

void srv_config_load(struct srv_config *config, int argc, const char *const *argv, const char *const *envp,
                     struct srv_config_outcome *outcome)
{
    memset(config, 0, sizeof *config);
    *outcome = (struct srv_config_outcome){.action = SRV_CONFIG_RUN};
    aivo_buf_init(&outcome->out);
    aivo_buf_init(&outcome->err);
    struct loading l = {.config = config, .outcome = outcome};
    load(&l, argc, argv, envp);
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++)
        srv_wipe_free(&l.settings[i].text);
    free(l.env_file);
}

void srv_config_outcome_free(struct srv_config_outcome *outcome)
{
    aivo_buf_free(&outcome->out);
    aivo_buf_free(&outcome->err);
}

void srv_config_free(struct srv_config *config)
{
    if (config == NULL)
        return;
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        if (srv_variables[i].kind == SRV_KIND_STRING)
            srv_wipe_free((char **)srv_variable_field(config, i));
    }
    memset(config, 0, sizeof *config);
}
