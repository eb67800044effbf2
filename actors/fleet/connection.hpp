#pragma once

#include "actors/clocks.hpp"
#include "actors/fleet/transport.hpp"
#include "core/codecs/wire_codec.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace assay {

struct connection_config {
  provider_profile provider; ///< With the one key that the sockets use.
  std::string key_name;      ///< For the gauges.
  transport_factory open_transport;
  wall_clock wall = wall_now;
};

/// @relates connection
struct connection_state {
  static inline const char* name = "connection";

  ~connection_state();

  std::unique_ptr<transport> wire;
  /// Why there is no transport; every exchange is answered with it.
  std::optional<fault> unusable;
  std::unique_ptr<codecs::wire_codec> codec;
  /// Answers that are being streamed.
  std::unordered_map<call_id, std::unique_ptr<codecs::stream_decoder>> streams;
  /// What was left out of requests that are on the wire; few have any.
  std::unordered_map<call_id, std::vector<std::string>> dropped;
  /// What is asked for on the wire, where it is not a chat's answer.
  struct other_question {
    call_kind kind = call_kind::chat;
    size_t inputs = 0; ///< Vectors that have to come.
  };
  std::unordered_map<call_id, other_question> others;
  /// Sequences that were to end answers on the wire, where the request could not carry all of them.
  std::unordered_map<call_id, std::vector<std::string>> stops;
  std::unordered_set<call_id> raw;    ///< Calls on the wire whose body is wanted as it comes.
  std::unordered_set<call_id> probes; ///< Questions for the list of models that are on the wire.
  uint64_t sent = 0;
  uint64_t answered = 0;
};

/// Speaks one provider's protocol with one key: encodes exchanges, hands them to its sockets in batches,
/// decodes what comes back. Deadlines are kept by the sockets and, behind them, by the provider that owns the
/// calls.
connection_actor::behavior_type connection(connection_actor::stateful_pointer<connection_state> self,
                                           connection_config config, exchange_sink_actor owner);

} // namespace assay
