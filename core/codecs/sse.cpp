#include "core/codecs/sse.hpp"

#include <algorithm>

namespace assay::codecs {

void sse_reader::feed(std::string_view bytes) {
  if (overflowed_)
    return;
  // What has been read is dropped once per feed, not once per line.
  if (read_ > 0) {
    buffer_.erase(0, read_);
    searched_ -= std::min(searched_, read_);
    read_ = 0;
  }
  buffer_ += bytes;
}

bool sse_reader::take_line(std::string_view& line) {
  if (!started_) {
    // A byte order mark may itself be cut.
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    const auto head = std::string_view(buffer_).substr(0, mark.size());
    if (head.size() < mark.size() && mark.starts_with(head))
      return false;
    started_ = true;
    if (head == mark)
      read_ = mark.size();
  }
  if (skip_lf_ && read_ < buffer_.size()) {
    read_ += buffer_[read_] == '\n' ? 1 : 0;
    skip_lf_ = false;
  }
  const auto end = buffer_.find_first_of("\r\n", std::max(read_, searched_));
  if (end == std::string::npos) {
    searched_ = buffer_.size();
    overflowed_ = buffer_.size() - read_ > largest_;
    return false;
  }
  line = std::string_view(buffer_).substr(read_, end - read_);
  skip_lf_ = buffer_[end] == '\r';
  read_ = end + 1;
  return true;
}

void sse_reader::take_field(std::string_view line) {
  const auto colon = line.find(':');
  const auto name = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' '))
    value.remove_prefix(1);
  if (name == "event") {
    type_ = value;
  } else if (name == "data") {
    if (has_data_)
      data_ += '\n';
    data_ += value;
    has_data_ = true;
    overflowed_ = data_.size() > largest_;
  }
}

bool sse_reader::next(sse_event& out) {
  if (dispatched_) {
    type_.clear();
    data_.clear();
    has_data_ = false;
    dispatched_ = false;
  }
  std::string_view line;
  while (!overflowed_ && take_line(line)) {
    if (!line.empty()) {
      take_field(line);
      continue;
    }
    if (!has_data_) {
      type_.clear();
      continue;
    }
    dispatched_ = true;
    out = {type_, data_};
    return true;
  }
  return false;
}

} // namespace assay::codecs
