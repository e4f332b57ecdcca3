# AIVO_SANITIZE=address (with undefined) or thread; the same tests run under each.
set(AIVO_SANITIZE "" CACHE STRING "Sanitizer: empty, address or thread")
set_property(CACHE AIVO_SANITIZE PROPERTY STRINGS "" address thread)

if(AIVO_SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
elseif(AIVO_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
elseif(AIVO_SANITIZE)
    message(FATAL_ERROR "AIVO_SANITIZE is '${AIVO_SANITIZE}': use address or thread")
endif()
