/* Tokens: SHA-256, HMAC and what a JSON Web Token is made of, so that the generator needs libc only. */
#include "sioload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sha256 {
    uint32_t h[8];
    uint64_t n;
    uint8_t b[64];
};

static const uint32_t K256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t ror(uint32_t x, int k)
{
    return (x >> k) | (x << (32 - k));
}

static void sha_block(struct sha256 *s, const uint8_t *p)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (ror(a, 7) ^ ror(a, 18) ^ (a >> 3)) + (ror(b, 17) ^ ror(b, 19) ^ (b >> 10));
    }
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 =
            v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K256[i] + w[i];
        uint32_t t2 = (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = v[4];
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = v[0];
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

static void sha_init(struct sha256 *s)
{
    static const uint32_t iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, iv, sizeof iv);
    s->n = 0;
}

static void sha_add(struct sha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len--) {
        s->b[s->n++ & 63] = *p++;
        if (!(s->n & 63))
            sha_block(s, s->b);
    }
}

static void sha_end(struct sha256 *s, uint8_t out[32])
{
    uint64_t bits = s->n * 8;
    sha_add(s, "\x80", 1);
    while ((s->n & 63) != 56)
        sha_add(s, "", 1);
    for (int i = 7; i >= 0; i--) {
        uint8_t c = (uint8_t)(bits >> (8 * i));
        sha_add(s, &c, 1);
    }
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

static void hmac256(const char *key, const void *msg, size_t len, uint8_t out[32])
{
    uint8_t k[64] = {0}, pad[64], in[32];
    struct sha256 s;
    size_t kl = strlen(key);
    if (kl > 64) {
        sha_init(&s);
        sha_add(&s, key, kl);
        sha_end(&s, k);
    } else
        memcpy(k, key, kl);
    for (int i = 0; i < 64; i++)
        pad[i] = k[i] ^ 0x36;
    sha_init(&s);
    sha_add(&s, pad, 64);
    sha_add(&s, msg, len);
    sha_end(&s, in);
    for (int i = 0; i < 64; i++)
        pad[i] = k[i] ^ 0x5c;
    sha_init(&s);
    sha_add(&s, pad, 64);
    sha_add(&s, in, 32);
    sha_end(&s, out);
}

static size_t b64url(const uint8_t *p, size_t n, char *out)
{
    static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t w = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        out[w++] = a[v >> 18];
        out[w++] = a[(v >> 12) & 63];
        if (i + 1 < n)
            out[w++] = a[(v >> 6) & 63];
        if (i + 2 < n)
            out[w++] = a[v & 63];
    }
    out[w] = 0;
    return w;
}

char **connect_pkt;
unsigned n_connect_pkt;

void make_connect_packets(unsigned n)
{
    n_connect_pkt = n;
    connect_pkt = xrealloc(NULL, n * sizeof *connect_pkt);
    long t = (long)time(NULL);
    for (unsigned i = 0; i < n; i++) {
        char claims[256], tok[1024], pkt[1280];
        uint8_t mac[32];
        static const char hdr[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
        int cl =
            snprintf(claims, sizeof claims,
                     "{\"userId\":\"learner-%u\",\"sub\":\"learner-%u\",\"iat\":%ld,\"exp\":%ld}", i, i, t, t + 86400);
        size_t l = b64url((const uint8_t *)hdr, sizeof hdr - 1, tok);
        tok[l++] = '.';
        l += b64url((const uint8_t *)claims, (size_t)cl, tok + l);
        hmac256(opt.secret, tok, l, mac);
        tok[l++] = '.';
        b64url(mac, 32, tok + l);
        snprintf(pkt, sizeof pkt, "40{\"token\":\"%s\",\"learnerId\":\"learner-%u\"}", tok, i);
        connect_pkt[i] = strdup(pkt);
    }
}
