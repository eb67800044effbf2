#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace assay::codecs {

/// One event of a stream; its texts live until the next call of the reader.
struct sse_event {
  std::string_view type; ///< The field `event`; empty when there was none.
  std::string_view data; ///< The fields `data`, joined with \n.
};

/// Reads server-sent events (WHATWG HTML, 9.2.6) from bytes that are cut anywhere. Lines end with LF, CRLF or
/// CR; comments and the fields id and retry are skipped; an event is complete only with its blank line, so a
/// stream that was cut loses its last event. Events without data are skipped.
class sse_reader {
public:
  /// @param largest_event bytes of one event, or of one line, at which the reader gives up.
  explicit sse_reader(size_t largest_event = size_t{8} << 20) : largest_(largest_event) {}

  /// Adds bytes; then call next() until it returns false.
  void feed(std::string_view bytes);

  /// @returns whether there was another complete event.
  bool next(sse_event& out);

  /// An event was too large; nothing more will come out.
  bool overflowed() const noexcept { return overflowed_; }

private:
  bool take_line(std::string_view& line);
  void take_field(std::string_view line);

  size_t largest_;
  std::string buffer_;
  size_t read_ = 0;     ///< Start of the first line not yet taken.
  size_t searched_ = 0; ///< Bytes before it hold no end of line.
  bool started_ = false;
  bool skip_lf_ = false; ///< The last line ended with CR, so that a LF after it belongs to it.
  bool overflowed_ = false;
  bool dispatched_ = false; ///< The event in type_ and data_ was handed out.
  bool has_data_ = false;
  std::string type_;
  std::string data_;
};

} // namespace assay::codecs
