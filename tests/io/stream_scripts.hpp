#pragma once

#include "tests/io/script_server.hpp"

#include <string>
#include <string_view>
#include <vector>

/// What servers of streamed answers say, for scripts.
namespace assay::io::test {

/// The head of an event stream in chunks.
inline const std::string chunked_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// @returns @p text as one chunk.
std::string chunk(std::string_view text);

/// @returns one event of a stream.
std::string delta(int number);

/// Sends a head, then one piece for each gate that the test opens, then the end; an empty end closes.
script_server::script drip(script_server*& self, std::string head, std::vector<std::string> pieces,
                           std::string end);

/// A server that sends a stream of @p size bytes as fast as it is taken.
script_server::script flood(size_t size);

} // namespace assay::io::test
