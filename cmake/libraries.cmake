# Libraries from Debian 12. Each has one place where it is used; see the table in ARCHITECTURE.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Protobuf REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
if(NOT TARGET yaml-cpp::yaml-cpp)
    add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()

# The messages of etcd that we use, written out with etcd's public field numbers.
add_library(castle_etcd_proto STATIC)
file(GLOB castle_etcd_protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/wire/etcd/*.proto)
if(castle_etcd_protos)
    protobuf_generate(TARGET castle_etcd_proto LANGUAGE cpp
        IMPORT_DIRS ${CMAKE_SOURCE_DIR}/src/wire/etcd PROTOS ${castle_etcd_protos}
        PROTOC_OUT_DIR ${CMAKE_BINARY_DIR}/generated)
else()
    file(WRITE ${CMAKE_BINARY_DIR}/generated/empty.cpp "")
    target_sources(castle_etcd_proto PRIVATE ${CMAKE_BINARY_DIR}/generated/empty.cpp)
endif()
target_include_directories(castle_etcd_proto SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/generated)
target_compile_options(castle_etcd_proto PRIVATE -w)
target_link_libraries(castle_etcd_proto PUBLIC protobuf::libprotobuf-lite)

# One precompiled header for everything that uses Asio and JSON.
add_library(castle_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(castle_pch PUBLIC Boost::json Threads::Threads OpenSSL::SSL)
target_precompile_headers(castle_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.hpp)
