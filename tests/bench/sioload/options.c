/* The command line. */
#include "sioload.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct options opt = {
    .host = "127.0.0.1",
    .secret = "development-secret",
    .bevent = "bench:event",
    .label = "",
    .mode_name = "ack",
    .port = 3000,
    .conns = 100,
    .payload = 64,
    .inflight = 1,
    .ramp = 2000,
    .max_outstanding = 4096,
    .pending_max = 64,
    .duration = 5,
    .warmup = 1,
};

static _Noreturn void usage(void)
{
    fputs("usage: sioload [options]\n"
          "  --host A --port N        server (IPv4 address)          127.0.0.1 3000\n"
          "  --pub-port N             g.publisher's server             same as --port\n"
          "  --mode ack|idle|storm|fanout|broadcast-listen           ack\n"
          "  --g.conns N                connections (storm: concurrency) 100\n"
          "  --event NAME             emitted event   agent:learning / bench:broadcast\n"
          "  --broadcast-event NAME   event counted by listeners     bench:event\n"
          "  --payload BYTES          size of the JSON argument      64\n"
          "  --inflight K             unanswered emits per connection (fanout: broadcasts) 1\n"
          "  --rate R                 open loop, messages/s in total 0 = closed loop\n"
          "  --max-outstanding N      open loop bound per connection 4096\n"
          "  --duration S --warmup S                                 5 1\n"
          "  --ramp R --pending N     connections/s, at once         2000 64\n"
          "  --src-addrs N            spread over N loopback addresses\n"
          "  --token-secret S         HS256 secret                   development-secret\n"
          "  --path P                 request path\n"
          "  --expect STR             text every ack must hold       \"success\":true\n"
          "  --close ws|rst           storm: how to end a connection ws\n"
          "  --server-pid P[,P...]    measure these processes\n"
          "  --raw                    plain websocket echo, no Socket.IO\n"
          "  --spin                   poll instead of sleeping\n"
          "  --label TEXT --json      one JSON line on stdout, text on stderr\n",
          stderr);
    exit(2);
}

/* An option's name and where its value goes; one of the three is set. */
static const struct {
    const char *name;
    const char **text;
    int *number;
    double *real;
} valued[] = {
    {"host", &opt.host, 0, 0},
    {"path", &opt.path, 0, 0},
    {"token-secret", &opt.secret, 0, 0},
    {"event", &opt.event, 0, 0},
    {"broadcast-event", &opt.bevent, 0, 0},
    {"label", &opt.label, 0, 0},
    {"mode", &opt.mode_name, 0, 0},
    {"expect", &opt.expect, 0, 0},
    {"port", 0, &opt.port, 0},
    {"pub-port", 0, &opt.pub_port, 0},
    {"conns", 0, &opt.conns, 0},
    {"payload", 0, &opt.payload, 0},
    {"inflight", 0, &opt.inflight, 0},
    {"ramp", 0, &opt.ramp, 0},
    {"src-addrs", 0, &opt.src_addrs, 0},
    {"max-outstanding", 0, &opt.max_outstanding, 0},
    {"pending", 0, &opt.pending_max, 0},
    {"duration", 0, 0, &opt.duration},
    {"warmup", 0, 0, &opt.warmup},
    {"rate", 0, 0, &opt.rate},
};
#define VALUED (sizeof valued / sizeof *valued)

enum { RAW = 256, JSON, SPIN, CLOSE, PIDS };

static void read_pids(char *list)
{
    for (char *p = strtok(list, ","); p && opt.npids < MAX_PIDS; p = strtok(NULL, ","))
        opt.pids[opt.npids++] = atoi(p);
}

static void take_value(size_t i, char *value)
{
    if (valued[i].text)
        *valued[i].text = value;
    else if (valued[i].number)
        *valued[i].number = atoi(value);
    else
        *valued[i].real = atof(value);
}

static void take_switch(int which, char *value)
{
    switch (which) {
    case RAW:
        opt.raw = true;
        break;
    case JSON:
        opt.json = true;
        break;
    case SPIN:
        opt.spin = true;
        break;
    case PIDS:
        read_pids(value);
        break;
    case CLOSE:
        if (!strcmp(value, "rst"))
            opt.close = CLOSE_RST;
        else if (strcmp(value, "ws"))
            usage();
        break;
    default:
        usage();
    }
}

/* What was not given follows from what was. */
static void complete(void)
{
    static const char *const modes[] = {"ack", "idle", "storm", "fanout", "broadcast-listen"};
    size_t m = 0;
    while (m < sizeof modes / sizeof *modes && strcmp(modes[m], opt.mode_name))
        m++;
    if (m == sizeof modes / sizeof *modes || opt.conns < 1 || opt.inflight < 1)
        usage();
    opt.mode = (enum mode)m;
    if (!opt.pub_port)
        opt.pub_port = opt.port;
    if (!opt.path)
        opt.path = opt.raw ? "/" : "/socket.io/?EIO=4&transport=websocket";
    if (!opt.event)
        opt.event = opt.mode == M_FANOUT ? "bench:broadcast" : "agent:learning";
    if (!opt.expect && !opt.raw && opt.mode == M_ACK)
        opt.expect = "\"success\":true";
    if (opt.expect && !*opt.expect)
        opt.expect = NULL;
    if (!opt.src_addrs)
        opt.src_addrs = opt.mode == M_STORM ? 32 : opt.conns > 20000 ? 8 : 1;
    for (int i = 0; i < opt.npids; i++)
        if (kill(opt.pids[i], 0))
            die("no process %d", (int)opt.pids[i]);
}

void read_options(int argc, char **argv)
{
    struct option list[VALUED + 6] = {{0}};
    for (size_t i = 0; i < VALUED; i++)
        list[i] = (struct option){valued[i].name, required_argument, NULL, (int)i};
    list[VALUED] = (struct option){"raw", no_argument, NULL, RAW};
    list[VALUED + 1] = (struct option){"json", no_argument, NULL, JSON};
    list[VALUED + 2] = (struct option){"spin", no_argument, NULL, SPIN};
    list[VALUED + 3] = (struct option){"close", required_argument, NULL, CLOSE};
    list[VALUED + 4] = (struct option){"server-pid", required_argument, NULL, PIDS};
    for (int k; (k = getopt_long(argc, argv, "", list, NULL)) != -1;) {
        if (k >= 0 && (size_t)k < VALUED)
            take_value((size_t)k, optarg);
        else
            take_switch(k, optarg);
    }
    if (optind != argc)
        usage();
    complete();
}
