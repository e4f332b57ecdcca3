/*
 * The client in C++: a class that owns it, lambdas as callbacks, and an answer as a std::future. With a CA file, the
 * server's certificate is checked against that one instead of the system's.
 *
 *   raii URL TOKEN [CA-FILE]
 */
#include <aivo/aivo.h>
#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace
{

class Client
{
  public:
    using StateFn = std::function<void(aivo_state to, const aivo_error *error)>;

    /* Throws with the name of the option that makes no sense. */
    Client(const aivo_options &options, StateFn on_state) : on_state_(std::move(on_state))
    {
        aivo_error why;
        if (aivo_client_create(&options, &client_, &why) != AIVO_OK)
            throw std::runtime_error(why.message);
        /* A lambda that captures nothing is a function pointer; what it is to call comes by the user argument. No
         * exception may leave it: the caller is C. */
        aivo_client_on_state(
            client_,
            [](aivo_client *, aivo_state, aivo_state to, const aivo_error *error, void *user) noexcept {
                static_cast<Client *>(user)->on_state_(to, error);
            },
            this);
        aivo_client_start(client_);
    }

    /* Afterwards no callback runs any more: the members that they use may go. */
    ~Client()
    {
        aivo_client_destroy(client_);
    }

    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;

    /* The answer's arguments, a JSON array's text; or an exception that says why there is none. */
    std::future<std::string> emit(const std::string &event, const std::string &args)
    {
        auto answer = std::make_unique<std::promise<std::string>>();
        std::future<std::string> future = answer->get_future();
        aivo_emit how;
        aivo_emit_init(&how);
        how.ack_timeout_ms = 5000;
        how.user = answer.get();
        how.ack = [](aivo_client *, aivo_status status, const aivo_message *message, void *user) noexcept {
            std::unique_ptr<std::promise<std::string>> told(static_cast<std::promise<std::string> *>(user));
            if (status == AIVO_OK)
                told->set_value(message->args);
            else
                told->set_exception(std::make_exception_ptr(std::runtime_error(aivo_strerror(status))));
        };
        const aivo_status status = aivo_client_emit(client_, event.c_str(), args.c_str(), &how);
        if (status != AIVO_OK)
            throw std::runtime_error(event + ": " + aivo_strerror(status));
        answer.release(); /* the callback's now: it comes exactly once for an emit that was accepted */
        return future;
    }

  private:
    StateFn on_state_;
    aivo_client *client_ = nullptr;
};

int run(const char *url, const std::string &token, const char *ca_file)
{
    const std::string auth = "{\"token\":\"" + token + "\"}";
    aivo_options options;
    aivo_options_init(&options);
    options.url = url;
    options.auth = auth.c_str(); /* copied */
    options.tls.ca_file = ca_file;

    std::promise<void> connected;
    bool told = false; /* a promise is kept once, and a connection may come more often */
    Client client(options, [&](aivo_state to, const aivo_error *error) {
        if (told || (to != AIVO_STATE_CONNECTED && to != AIVO_STATE_FAILED))
            return;
        told = true;
        if (to == AIVO_STATE_CONNECTED)
            connected.set_value();
        else
            connected.set_exception(std::make_exception_ptr(std::runtime_error(error ? error->message : "failed")));
    });
    std::future<void> connecting = connected.get_future();
    if (connecting.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
        throw std::runtime_error("not connected within 10 s");
    connecting.get();
    std::printf("answer: %s\n", client.emit("agent:learning", "[{\"action\":\"start_session\"}]").get().c_str());
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: raii URL TOKEN [CA-FILE]\n");
        return 64;
    }
    try {
        return run(argv[1], argv[2], argc == 4 ? argv[3] : nullptr);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "raii: %s\n", error.what());
        return 1;
    }
}
