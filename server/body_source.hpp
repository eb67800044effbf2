#pragma once

#include "server/http.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace assay::server {

/// A body that comes in pieces while it is being made. Used on the edge's thread.
class body_source {
public:
  virtual ~body_source() = default;

  /// Called again only when what came before has been written. @returns the next bytes; none at the end.
  virtual boost::asio::awaitable<std::string> next() = 0;

  /// Asked after next() has answered nothing. @returns whether the body ends here without being whole: then
  /// the connection is closed without the end of the chunks, so that the caller can tell.
  virtual bool broken() const { return false; }

  /// What is known only at the end, for the trailer. Names are announced by the header `Trailer`.
  virtual std::vector<header_field> trailers() { return {}; }
};

} // namespace assay::server
