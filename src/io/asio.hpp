// Internal to io: the way from a Loop to asio's context. Nobody outside this folder includes it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "io/loop.hpp"

namespace castle::io {

namespace asio = boost::asio;

asio::io_context& context_of(Loop& loop);

}  // namespace castle::io
