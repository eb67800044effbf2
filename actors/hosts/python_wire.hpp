#pragma once

#include "actors/hosts/python_worker.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// The protocol of Python workers; docs/python_host.md. Both sides send 4 bytes of length, most significant
/// first, and then so many bytes of JSON.
inline constexpr uint32_t python_protocol = 1;
inline constexpr size_t most_python_message = size_t{256} << 20;

/// What goes in front of a job's arguments and behind them; the arguments themselves are not copied.
struct python_envelope {
  std::string head;
  std::string tail;
};

python_envelope python_envelope_for(uint64_t id, std::string_view operation, size_t arguments_bytes);

/// Cuts a stream of bytes into messages.
class python_frames {
public:
  /// Takes bytes, cut anywhere. @returns the messages that are complete now. Fails with
  /// errc::malformed_answer when a message is longer than most_python_message.
  result<std::vector<std::string>> feed(std::string_view bytes);

private:
  std::string pending_;
};

/// Reads a worker's answer. Fails with errc::malformed_answer when it is none.
result<python_reply> read_python_reply(std::string_view message);

} // namespace assay
