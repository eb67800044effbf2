#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/model.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace assay {

/// The I/O side of a connection: sockets to one provider with one key. Crossed in batches both ways.
class transport {
public:
  virtual ~transport() = default;

  virtual void submit(std::vector<http_request> requests) = 0;
  /// Gives requests up; each still comes back as an outcome.
  virtual void cancel(std::vector<uint64_t> ids) = 0;
  /// Gives back the bytes of pieces that are dealt with. A stream with too many bytes outstanding is not read
  /// on.
  virtual void grant(std::vector<http_credit> credits) = 0;
  /// Ends every socket; requests still open come back as cancelled. Idempotent.
  virtual void close() = 0;
  /// Open sockets, for the gauges.
  virtual size_t open_sockets() const = 0;
};

/// Where a transport delivers: called on an I/O thread, with everything that has gathered.
using transport_sink = std::function<void(http_turn&&)>;

/// Opens a transport to a provider. The key goes from the profile into the sockets and nowhere else.
using transport_factory =
    std::function<result<std::unique_ptr<transport>>(const provider_profile&, transport_sink)>;

} // namespace assay
