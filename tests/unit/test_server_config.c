#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certs.h"
#include "config.h"
#include "config_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS(...)        ((const char *const[]){"aivo-server", __VA_ARGS__, NULL})
#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct srv_config config;
static struct srv_config_outcome outcome;
static char folder[] = "/tmp/aivo-config-XXXXXX";

static void forget(void)
{
    srv_config_free(&config);
    srv_config_outcome_free(&outcome);
}

static void load(const char *const *argv, const char *const *envp)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    forget();
    srv_config_load(&config, argc, argv, envp, &outcome);
}

static void loads(const char *const *argv, const char *const *envp)
{
    load(argv, envp);
    if (outcome.action != SRV_CONFIG_RUN)
        fail_msg("refused: %s", outcome.err.data);
}

/* The start is refused with this exit code and these words. */
static void refused(const char *const *argv, const char *const *envp, int code, const char *words)
{
    load(argv, envp);
    assert_int_equal(outcome.action, SRV_CONFIG_EXIT);
    if (outcome.err.data == NULL || strstr(outcome.err.data, words) == NULL)
        fail_msg("expected '%s', got: %s", words, outcome.err.data == NULL ? "" : outcome.err.data);
    assert_int_equal(outcome.exit_code, code);
    assert_null(config.host);
}

static void write_file(const char *name, const void *text, size_t len)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void env_file(const char *text)
{
    write_file(".env", text, strlen(text));
}

/* With nothing said at all, the server runs with the documented defaults. */
static void test_defaults(void **state)
{
    (void)state;
    unlink(".env");
    load((const char *const[]){"aivo-server", NULL}, NULL);
    assert_int_equal(outcome.action, SRV_CONFIG_RUN);
    assert_string_equal(config.host, "127.0.0.1");
    assert_int_equal(config.port, 4003);
    assert_string_equal(config.jwt_secret, SRV_CONFIG_DEVELOPMENT_SECRET);
    assert_true(config.jwt_secret_is_development);
    assert_string_equal(config.cors_origin, "http://localhost:3000");
    assert_null(config.redis_host);
    assert_int_equal(config.redis_port, 6379);
    assert_string_equal(config.redis_prefix, "socket.io");
    assert_false(config.ssl_enabled);
    assert_int_equal(config.rate_limit_window_ms, 60000);
    assert_int_equal(config.rate_limit_max_messages, 100);
    assert_int_equal(config.ping_interval_ms, 25000);
    assert_int_equal(config.ping_timeout_ms, 60000);
    assert_int_equal(config.connect_timeout_ms, 45000);
    assert_int_equal(config.max_payload_bytes, 1000000);
    assert_int_equal(config.session_idle_ms, 1800000);
    assert_int_equal(config.log_level, SRV_LEVEL_INFO);
    assert_false(config.log_json);
    assert_false(config.conformance);
    assert_false(config.bench_events);
    assert_int_equal(config.test_handler_delay_ms, 0);
}

/* The same variable in all four places: the flag wins over the environment, that over the file, that over the default.
 */
static void test_order(void **state)
{
    (void)state;
    env_file("PORT=1\nPING_INTERVAL_MS=11\nRATE_LIMIT_MAX_MESSAGES=21\n");
    loads(ARGS("--port", "3", "--rate-limit-max-messages=0"),
          ENVIRONMENT("PORT=2", "PING_INTERVAL_MS=12", "PATH=/bin"));
    assert_int_equal(config.port, 3);
    assert_int_equal(config.ping_interval_ms, 12);
    assert_int_equal(config.rate_limit_max_messages, 0);
    env_file("PORT=1\nPORT=5\n");
    loads(ARGS("--log-level", "debug"), ENVIRONMENT("LOG_FORMAT=JSON"));
    assert_int_equal(config.port, 5);
    assert_int_equal(config.log_level, SRV_LEVEL_DEBUG);
    assert_true(config.log_json);
    /* set to nothing is unset: the default, not the file's value */
    loads(ARGS("--log-level", "debug"), ENVIRONMENT("PORT="));
    assert_int_equal(config.port, 4003);
    unlink(".env");
}

/* Another file with --env; it must be there, where .env need not. */
static void test_env_flag(void **state)
{
    (void)state;
    env_file("PORT=1\n");
    write_file("other.env", "PORT=7\n", 7);
    loads(ARGS("--env", "other.env"), NULL);
    assert_int_equal(config.port, 7);
    loads(ARGS("--env=other.env"), NULL);
    assert_int_equal(config.port, 7);
    refused(ARGS("--env", "missing.env"), NULL, 78, "missing.env: No such file or directory");
    refused(ARGS("--env", "."), NULL, 78, ".: Is a directory");
    refused(ARGS("--env"), NULL, 64, "--env needs a value");
    unlink(".env");
}

/* A bad value is named with the place it stands on, and all of them at once. */
static void test_bad_values(void **state)
{
    (void)state;
    env_file("# ports\n\nPORT='abc'\nPING_INTERVAL_MS=0\nSSL_ENABLED=maybe\nLOG_LEVEL=loud\nLOG_FORMAT=xml\n"
             "MAX_PAYLOAD_BYTES=99999999999999999999\n");
    refused(ARGS("--session-idle-ms=1"), NULL, 78, ".env:3: PORT: 'abc' is not a number of 0..65535\n");
    assert_non_null(strstr(outcome.err.data, ".env:4: PING_INTERVAL_MS: '0' is not a number of 1..86400000\n"));
    assert_non_null(strstr(outcome.err.data, ".env:5: SSL_ENABLED: 'maybe' is neither true nor false\n"));
    assert_non_null(strstr(outcome.err.data, ".env:6: LOG_LEVEL: 'loud' is none of error, warn, info, debug\n"));
    assert_non_null(strstr(outcome.err.data, ".env:7: LOG_FORMAT: 'xml' is neither text nor json\n"));
    assert_non_null(strstr(outcome.err.data, ".env:8: MAX_PAYLOAD_BYTES: '99999999999999999999' is not"));
    unlink(".env");
    refused(ARGS("--port", "65536"), NULL, 64, "--port: '65536' is not a number of 0..65535\n");
    refused(ARGS("--port", "-1"), NULL, 64, "--port: '-1' is not a number");
    refused(ARGS("--port", "4294967296"), NULL, 64, "is not a number");
    refused(ARGS("--port", "+1"), NULL, 64, "is not a number");
    refused(ARGS("--port", " 1"), NULL, 64, "is not a number");
    refused(ARGS("--log-level=info"), ENVIRONMENT("PORT=x"), 78, "environment: PORT: 'x' is not a number");
    refused(ARGS("--host", "a b"), NULL, 64, "--host: 'a b' is neither an address nor a name");
    refused(ARGS("--host", "-1"), NULL, 64, "--host: '-1' is neither an address nor a name");
    assert_null(strstr(outcome.err.data, "NEXTAUTH_SECRET"));
    refused(ARGS("--cors-origin", "localhost"), NULL, 64, "--cors-origin: 'localhost' is no origin");
    refused(ARGS("--redis-prefix", "a\nb"), NULL, 64, "--redis-prefix: a control character");
}

/* A line that is none, a bad port, a bad origin and a bad host are all told by one start; what only seems to be missing
 * because the file could not be read to its end is not complained about. */
static void test_all_at_once(void **state)
{
    (void)state;
    env_file("HOST=a b\nPORT=abc\nNEXTAUTH_SECRET='never closed\n");
    refused(ARGS("--log-level=info"), ENVIRONMENT("CORS_ORIGIN=ftp:/x"), 78, ".env:3: the quote is never closed\n");
    assert_non_null(strstr(outcome.err.data, ".env:1: HOST: 'a b' is neither an address nor a name\n"));
    assert_non_null(strstr(outcome.err.data, ".env:2: PORT: 'abc' is not a number"));
    assert_non_null(strstr(outcome.err.data, "environment: CORS_ORIGIN: 'ftp:/x' is no origin"));
    env_file("HOST=0.0.0.0\nNEXTAUTH_SECRET='never closed\n");
    refused(ARGS("--log-level=info"), NULL, 78, "the quote is never closed\n");
    assert_null(strstr(outcome.err.data, "set a secret of your own"));
    unlink(".env");
    refused(ARGS("--cors-origin", "*,http://x"), NULL, 64, "--cors-origin: '*' allows every origin");
}

/* The words of true and false may stand behind a boolean flag; anything else there is an argument of its own. */
static void test_bool_flags(void **state)
{
    (void)state;
    loads(ARGS("--bench-events", "true", "--port", "7"), NULL);
    assert_true(config.bench_events);
    assert_int_equal(config.port, 7);
    loads(ARGS("--bench-events", "No"), ENVIRONMENT("BENCH_EVENTS=true"));
    assert_false(config.bench_events);
    loads(ARGS("--bench-events", "--port", "8"), NULL);
    assert_true(config.bench_events);
    assert_int_equal(config.port, 8);
    refused(ARGS("--bench-events", "maybe"), NULL, 64, "unknown argument 'maybe'");
}

/* Lines that are no settings, a file that is too long, and a complaint that never spans lines. */
static void test_bad_files(void **state)
{
    (void)state;
    env_file("PORT=1\nthis is no setting\nHOST='x\n");
    refused(ARGS("--log-level=info"), NULL, 78, ".env:2: expected NAME=value\n");
    assert_non_null(strstr(outcome.err.data, ".env:3: the quote is never closed\n"));
    char *big = malloc(SRV_CONFIG_MAX_FILE_BYTES + 1);
    assert_non_null(big);
    memset(big, '\n', SRV_CONFIG_MAX_FILE_BYTES + 1);
    memcpy(big, "PORT=9", 6);
    write_file(".env", big, SRV_CONFIG_MAX_FILE_BYTES);
    loads(ARGS("--log-level=info"), NULL);
    assert_int_equal(config.port, 9);
    write_file(".env", big, SRV_CONFIG_MAX_FILE_BYTES + 1);
    refused(ARGS("--log-level=info"), NULL, 78, ".env: longer than 65536 bytes\n");
    free(big);
    char comment[SRV_CONFIG_MAX_LINE_BYTES + 16];
    memset(comment, '#', sizeof comment);
    memcpy(comment + SRV_CONFIG_MAX_LINE_BYTES, "\nPORT=9\n", 8);
    write_file(".env", comment, SRV_CONFIG_MAX_LINE_BYTES + 8);
    loads(ARGS("--log-level=info"), NULL);
    assert_int_equal(config.port, 9);
    memcpy(comment + SRV_CONFIG_MAX_LINE_BYTES, "#\nPORT=x\n", 9);
    write_file(".env", comment, SRV_CONFIG_MAX_LINE_BYTES + 9);
    refused(ARGS("--log-level=info"), NULL, 78, ".env:1: the line is too long\n");
    assert_non_null(strstr(outcome.err.data, ".env:2: PORT: 'x'"));
    env_file("PORT=\"1\n2\"\n");
    refused(ARGS("--log-level=info"), NULL, 78, ".env:1: PORT: '1?2' is not a number");
    unlink(".env");
}

/* Unknown flags end the start with 64 and one line; a slip of the pen is recognised. */
static void test_unknown_flags(void **state)
{
    (void)state;
    static const char *const flags[] = {"--nonsense", "-x", "--conformance=1", "--", "word", "", "--PORT"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        refused(ARGS(flags[i], "--also-nonsense"), NULL, 64, "unknown ");
        assert_ptr_equal(strchr(outcome.err.data, '\n'), outcome.err.data + outcome.err.len - 1);
        assert_int_equal(outcome.out.len, 0);
    }
    refused(ARGS("--prot"), NULL, 64, "unknown flag '--prot' (see --help)");
    refused(ARGS("--ports"), NULL, 64, "unknown flag '--ports', did you mean --port (see --help)");
    refused(ARGS("--port"), NULL, 64, "--port needs a value");
}

/* A variable that looks like one of ours misspelt is warned about; strangers are left alone. */
static void test_typos(void **state)
{
    (void)state;
    env_file("DATABASE_URL=x\nRATE_LIMIT_MAX_MESAGES=5\nlog_level=debug\nNODE_ENV=y\n");
    loads(ARGS("--port=1"), NULL);
    assert_non_null(strstr(outcome.err.data, ".env:2: warning: RATE_LIMIT_MAX_MESAGES is ignored, did you mean "
                                             "RATE_LIMIT_MAX_MESSAGES?\n"));
    assert_non_null(strstr(outcome.err.data, ".env:3: warning: log_level is ignored, did you mean LOG_LEVEL?\n"));
    assert_null(strstr(outcome.err.data, "DATABASE"));
    assert_null(strstr(outcome.err.data, "NODE_ENV"));
    unlink(".env");
}

/* The development secret serves loopback and nothing else, whether by default or set. */
static void test_development_secret(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "127.9.9.9", "localhost", "::1", "::ffff:127.0.0.1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        loads(ARGS("--host", hosts[i]), NULL);
        assert_true(config.jwt_secret_is_development);
    }
    static const char *const open_hosts[] = {"0.0.0.0",     "::",        "192.0.2.1",
                                             "example.org", "128.0.0.1", "127.0.0.1.nip.io"};
    for (size_t i = 0; i < sizeof open_hosts / sizeof open_hosts[0]; i++) {
        refused(ARGS("--host", open_hosts[i]), NULL, 78, "NEXTAUTH_SECRET: set a secret of your own");
        refused(ARGS("--host", open_hosts[i]), ENVIRONMENT("NEXTAUTH_SECRET=" SRV_CONFIG_DEVELOPMENT_SECRET), 78,
                "environment: NEXTAUTH_SECRET: set a secret of your own");
    }
    loads(ARGS("--host", "0.0.0.0"), ENVIRONMENT("NEXTAUTH_SECRET=0123456789abcdef0123456789abcdef"));
    assert_int_equal(outcome.err.len, 0);
    assert_false(config.jwt_secret_is_development);
    loads(ARGS("--host", "0.0.0.0"), ENVIRONMENT("NEXTAUTH_SECRET=short"));
    assert_non_null(strstr(outcome.err.data, "shorter than 32 bytes"));
}

/* Redis: a host, and a user only with a password. */
static void test_redis(void **state)
{
    (void)state;
    env_file("PORT=1\nREDIS_HOST=127.0.0.1\n");
    loads(ARGS("--port=1"), ENVIRONMENT("REDIS_PORT=6380", "REDIS_PASSWORD=p", "REDIS_USERNAME=u"));
    assert_string_equal(config.redis_host, "127.0.0.1");
    assert_int_equal(config.redis_port, 6380);
    assert_string_equal(config.redis_username, "u");
    refused(ARGS("--redis-username=u"), NULL, 64, "--redis-username: a user without REDIS_PASSWORD\n");
    loads(ARGS("--redis-host", ""), NULL);
    assert_null(config.redis_host);
    refused(ARGS("--redis-port=0"), NULL, 64, "--redis-port: '0' is not a number of 1..65535");
    unlink(".env");
}

/* Limits: numbers within their bounds, proxies that are addresses, a queue that can hold something. */
static void test_limits(void **state)
{
    (void)state;
    loads(ARGS("--trusted-proxies=10.0.0.0/8, ::1", "--rate-limit-user-per-minute=600", "--rate-limit-user-burst", "20",
               "--max-connections-per-address=5", "--header-timeout-ms=100", "--drain-spread-ms=0", "--reuse-port"),
          NULL);
    assert_string_equal(config.trusted_proxies, "10.0.0.0/8, ::1");
    assert_int_equal(config.user_per_minute, 600);
    assert_int_equal(config.user_burst, 20);
    assert_int_equal(config.max_connections_per_address, 5);
    assert_int_equal(config.header_timeout_ms, 100);
    assert_int_equal(config.drain_spread_ms, 0);
    assert_int_equal(config.max_pending_handshakes, 4096);
    assert_true(config.reuse_port);
    refused(ARGS("--trusted-proxies=proxy.example"), NULL, 64,
            "--trusted-proxies: 'proxy.example' is neither an address nor a network\n");
    refused(ARGS("--max-send-queue-bytes=4095"), NULL, 64,
            "--max-send-queue-bytes: '4095' is neither 0 nor at least 4096\n");
    refused(ARGS("--drain-spread-ms=6001"), NULL, 64, "--drain-spread-ms: '6001' is not a number of 0..6000");
}

/* An outside agent: http or https, no user in the address, a token that fits into a header. */
static void test_agent(void **state)
{
    (void)state;
    loads(ARGS("--agent-url=https://a.example/x", "--agent-token", "t", "--agent-max-in-flight=1024"), NULL);
    assert_string_equal(config.agent_url, "https://a.example/x");
    assert_string_equal(config.agent_token, "t");
    assert_int_equal(config.agent_max_in_flight, 1024);
    assert_int_equal(config.agent_timeout_ms, 10000);
    assert_int_equal(outcome.err.len, 0);
    loads(ARGS("--agent-url=http://a.example/x", "--agent-token", "t"), NULL);
    assert_non_null(strstr(outcome.err.data, "AGENT_TOKEN is sent over plain http"));
    refused(ARGS("--agent-url=ws://x"), NULL, 64, "--agent-url: only http and https are possible");
    refused(ARGS("--agent-url=http://u:p@x/"), NULL, 64, "--agent-url: no user or password can stand in it");
    refused(ARGS("--agent-url=http://x", "--agent-token=a\nb"), NULL, 64, "--agent-token: only visible ASCII");
    refused(ARGS("--agent-url=http://x", "--agent-ca-path=none.pem"), NULL, 64, "--agent-ca-path: none.pem: No such");
    write_file("ca.pem", "none", 4);
    refused(ARGS("--agent-url=http://x", "--agent-ca-path=ca.pem"), NULL, 64,
            "--agent-ca-path: ca.pem: no certificates in PEM form");
    unlink("ca.pem");
    refused(ARGS("--agent-max-in-flight=0"), NULL, 64, "--agent-max-in-flight: '0' is not a number of 1..1024");
}

/* A certificate whose dates are bad is used, and warned about with the date, by --check as well. */
static void test_tls_dates(void **state)
{
    (void)state;
    struct certs certs;
    char ends[96], words[256];
    certs_make(&certs);
    const struct {
        const char *path, *words;
    } cases[] = {
        {certs.expired, ": the certificate ended on 2020-01-02 00:00:00 UTC: clients refuse it\n"},
        {certs.future,
         ": the certificate is valid from 2099-01-01 00:00:00 UTC on only: until then clients refuse it\n"},
        {certs.soon, " UTC, in 2 days: renew it\n"},
        {certs.short_lived, NULL},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        const char *path = cases[i / 2].path;
        bool check = i % 2;
        load(
            ARGS("--ssl-enabled", "--ssl-key-path", certs.key, "--ssl-cert-path", path, check ? "--check" : "--port=0"),
            NULL);
        assert_int_equal(outcome.action, check ? SRV_CONFIG_EXIT : SRV_CONFIG_RUN);
        assert_int_equal(outcome.exit_code, 0);
        if (!cases[i / 2].words) {
            assert_int_equal(outcome.err.len, 0);
            continue;
        }
        assert_non_null(outcome.err.data);
        snprintf(words, sizeof words, "aivo-server: warning: SSL_CERT_PATH %s: the certificate ", path);
        if (strncmp(outcome.err.data, words, strlen(words)) != 0 || !strstr(outcome.err.data, cases[i / 2].words))
            fail_msg("%s", outcome.err.data);
    }
    /* The chain counts too: here its authority's certificate is over. */
    snprintf(ends, sizeof ends, "%s/chain.pem", certs.dir);
    FILE *chain = fopen(ends, "w");
    const char *const parts[] = {certs.server, certs.expired};
    for (size_t i = 0; i < 2; i++) {
        char pem[4096];
        FILE *part = fopen(parts[i], "r");
        fwrite(pem, 1, fread(pem, 1, sizeof pem, part), chain);
        fclose(part);
    }
    fclose(chain);
    loads(ARGS("--ssl-enabled", "--ssl-key-path", certs.key, "--ssl-cert-path", ends), NULL);
    assert_non_null(strstr(outcome.err.data, "the certificate of its authority \"localhost\" ended on 2020-01-02"));
    unlink(ends);
    certs_free(&certs);
}

/* TLS wants both files, and readable ones. */
static void test_tls(void **state)
{
    (void)state;
    refused(ARGS("--ssl-enabled"), NULL, 64, "--ssl-enabled: SSL_KEY_PATH is not set");
    assert_non_null(strstr(outcome.err.data, "SSL_CERT_PATH is not set"));
    write_file("key.pem", "k", 1);
    refused(ARGS("--ssl-enabled", "--ssl-key-path=key.pem", "--ssl-cert-path=none.pem"), NULL, 64,
            "--ssl-cert-path: none.pem: No such file or directory");
    struct certs certs;
    certs_make(&certs);
    loads(ARGS("--ssl-enabled", "--ssl-key-path", certs.key, "--ssl-cert-path", certs.server, "--ssl-passphrase", "p"),
          NULL);
    assert_true(config.ssl_enabled);
    assert_string_equal(config.ssl_passphrase, "p");
    assert_null(config.ssl_ca_path);
    assert_int_equal(outcome.err.len, 0);
    /* What the files hold is no flag's fault, and --check says of it what a start says. */
    refused(ARGS("--check", "--ssl-enabled", "--ssl-key-path=key.pem", "--ssl-cert-path=key.pem"), NULL, 78,
            "--ssl-enabled: SSL_CERT_PATH key.pem: ");
    refused(ARGS("--ssl-enabled", "--ssl-key-path=key.pem", "--ssl-cert-path=key.pem"), NULL, 78,
            "--ssl-enabled: SSL_CERT_PATH key.pem: ");
    for (int check = 0; check < 2; check++)
        refused(ARGS("--ssl-enabled", "--ssl-key-path", certs.client_key, "--ssl-cert-path", certs.server,
                     check ? "--check" : "--port=0"),
                NULL, 78, "this key is not the certificate's");
    certs_free(&certs);
    loads(ARGS("--ssl-enabled=no", "--ssl-key-path=none.pem"), NULL);
    assert_false(config.ssl_enabled);
}

/* What is there for tests only needs its own permission. */
static void test_conformance(void **state)
{
    (void)state;
    refused(ARGS("--test-handler-delay-ms=5"), NULL, 64, "accepted with --conformance only");
    refused(ARGS("--log-level=info"), ENVIRONMENT("TEST_HANDLER_DELAY_MS=5"), 78, "accepted with --conformance only");
    loads(ARGS("--conformance", "--test-handler-delay-ms=5"), NULL);
    assert_true(config.conformance);
    assert_true(config.bench_events);
    assert_int_equal(config.test_handler_delay_ms, 5);
    assert_null(config.jwt_secret);
    loads(ARGS("--bench-events"), NULL);
    assert_true(config.bench_events);
    assert_false(config.conformance);
    refused(ARGS("--bench-events", "--host=0.0.0.0"), ENVIRONMENT("NEXTAUTH_SECRET=0123456789abcdef0123456789abcdef"),
            64, "--bench-events: accepted on a loopback HOST only");
    loads(ARGS("--conformance", "--host=0.0.0.0"), NULL);
    assert_non_null(strstr(outcome.err.data, "switches authentication off"));
}

/* A public key replaces the secret; a file that is none is refused. */
static void test_public_key(void **state)
{
    (void)state;
    write_file("bad.pem", "nothing", 7);
    refused(ARGS("--jwt-public-key-path=bad.pem"), NULL, 64,
            "--jwt-public-key-path: bad.pem: no public key in PEM form");
    refused(ARGS("--jwt-public-key-path=none.pem"), NULL, 64, "none.pem: No such file or directory");
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
                              "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n"
                              "-----END PUBLIC KEY-----\n";
    write_file("ec.pem", pem, sizeof pem - 1);
    loads(ARGS("--jwt-public-key-path=ec.pem", "--host=0.0.0.0"), ENVIRONMENT("NEXTAUTH_SECRET=unused"));
    assert_null(config.jwt_secret);
    assert_string_equal(config.jwt_public_key_path, "ec.pem");
    assert_non_null(strstr(outcome.err.data, "NEXTAUTH_SECRET is not used"));
}

/* --check prints everything with its source, shows no secret, and exits with 0, or complains as a start would. */
static void test_check(void **state)
{
    (void)state;
    env_file("PORT=1234\nNEXTAUTH_SECRET=hush-this-is-secret\nSSL_PASSPHRASE=hush\n");
    load(ARGS("--check", "--log-format=json", "--redis-password=hush"), ENVIRONMENT("PING_TIMEOUT_MS=9"));
    assert_int_equal(outcome.action, SRV_CONFIG_EXIT);
    assert_int_equal(outcome.exit_code, 0);
    assert_non_null(strstr(outcome.out.data, "\nPORT=1234  # .env:1\n"));
    assert_non_null(strstr(outcome.out.data, "\nNEXTAUTH_SECRET=********  # .env:2\n"));
    assert_non_null(strstr(outcome.out.data, "\nSSL_PASSPHRASE=********"));
    assert_non_null(strstr(outcome.out.data, "\nREDIS_PASSWORD=********  # --redis-password\n"));
    assert_non_null(strstr(outcome.out.data, "\nPING_TIMEOUT_MS=9  # environment\n"));
    assert_non_null(strstr(outcome.out.data, "\nLOG_FORMAT=json  # --log-format\n"));
    assert_non_null(strstr(outcome.out.data, "\nREDIS_HOST=\n"));
    assert_null(strstr(outcome.out.data, "hush"));
    refused(ARGS("--check", "--port=x"), NULL, 64, "--port: 'x'");
    assert_int_equal(outcome.out.len, 0);
    unlink(".env");
    load(ARGS("--check"), NULL);
    assert_non_null(strstr(outcome.out.data, "NEXTAUTH_SECRET=********  # the development secret\n"));
    assert_non_null(strstr(outcome.out.data, "\n# --conformance is off\n"));
    load(ARGS("--check", "--conformance"), NULL);
    assert_non_null(strstr(outcome.out.data, "\n# --conformance is on: no authentication\n"));
}

/* --help names every flag, --version the version; neither looks at the rest. */
static void test_help(void **state)
{
    (void)state;
    env_file("PORT=bad\n");
    load(ARGS("--help"), NULL);
    assert_int_equal(outcome.action, SRV_CONFIG_EXIT);
    assert_int_equal(outcome.exit_code, 0);
    static const char *const flags[] = {"--port ",    "--host ", "--cors-origin ", "--rate-limit-max-messages ",
                                        "--env FILE", "--check", "--conformance",  "--session-idle-ms "};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        assert_non_null(strstr(outcome.out.data, flags[i]));
    load(ARGS("--version"), NULL);
    assert_string_equal(outcome.out.data, "aivo-server 0.1.0\n");
    unlink(".env");
}

/* A file of the repository, terminated; the caller frees it. */
static char *repository_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/../%s", AIVO_TEST_DATA, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    return text;
}

/* .env.example has every variable with its default, and nothing that is none; the guide names them all. */
static void test_documents(void **state)
{
    (void)state;
    char *example = repository_file("server-stub/.env.example"), *guide = repository_file("docs/server.md");
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        char line[256], name[64];
        snprintf(line, sizeof line, "\n#%s=%s\n", srv_variables[i].name, srv_variables[i].fallback);
        if (strstr(example, line) == NULL)
            fail_msg(".env.example has no line '%s'", line + 1);
        snprintf(name, sizeof name, "`%s`", srv_variables[i].name);
        if (strstr(guide, name) == NULL)
            fail_msg("docs/server.md does not name %s", name);
    }
    int settings = 0;
    for (char *at = example; (at = strstr(at, "\n#")) != NULL; at++) {
        size_t n = strspn(at + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        settings += n > 0 && at[2 + n] == '=';
    }
    assert_int_equal(settings, SRV_VARIABLE_COUNT);
    /* with the marks of the comments taken away, it is read as it stands */
    for (char *at = example; (at = strstr(at, "\n#")) != NULL; at++) {
        if (at[2] >= 'A' && at[2] <= 'Z' && at[3] >= 'A' && at[3] <= 'Z')
            at[1] = ' ';
    }
    env_file(example);
    loads(ARGS("--log-level=info"), NULL);
    assert_int_equal(outcome.err.len, 0);
    assert_int_equal(config.port, 4003);
    unlink(".env");
    free(example);
    free(guide);
}

static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave_folder(void **state)
{
    (void)state;
    static const char *const files[] = {".env", "other.env", "key.pem", "bad.pem", "ec.pem"};
    forget();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(files[i]);
    return chdir("/") != 0 || rmdir(folder) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_env_flag),    cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_bad_files),   cmocka_unit_test(test_unknown_flags),
        cmocka_unit_test(test_typos),       cmocka_unit_test(test_development_secret),
        cmocka_unit_test(test_redis),       cmocka_unit_test(test_agent),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_dates),   cmocka_unit_test(test_conformance),
        cmocka_unit_test(test_public_key),  cmocka_unit_test(test_check),
        cmocka_unit_test(test_help),        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_bool_flags),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
