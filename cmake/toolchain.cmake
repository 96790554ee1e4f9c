# Compiler settings shared by every target, the sanitizers, and the tools that keep builds short.
option(CASTLE_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(CASTLE_TSAN "ThreadSanitizer" OFF)
option(CASTLE_WERROR "Warnings are errors" ON)

find_program(CASTLE_CCACHE ccache)
if(CASTLE_CCACHE)
    # Precompiled headers are cached only with these settings (and -fno-pch-timestamp below).
    set(launcher ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CASTLE_CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_program(CASTLE_MOLD mold)
if(CASTLE_MOLD)
    add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
                    $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-designated-field-initializers>)
if(CASTLE_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
# Paths of the build machine stay out of binaries, and caches work across checkouts.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

if(CASTLE_ASAN)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(CASTLE_TSAN)
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
endif()
