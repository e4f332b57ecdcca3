#include <aivo/aivo.h>
#include <cstdio>

int main()
{
    aivo_options options;
    aivo_options_init(&options);
    options.url = "nonsense";
    aivo_client *client = nullptr;
    aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_E_INVALID)
        return 1;
    std::printf("%s\n", error.message);
    return 0;
}
