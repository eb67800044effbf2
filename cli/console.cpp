#include "cli/console.hpp"

namespace assay::cli {

void console::line(std::string_view text) {
  const std::lock_guard guard{mutex_};
  erase();
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fputc('\n', out_);
  draw();
}

void console::status(std::vector<std::string> lines) {
  if (!kind_.is_terminal)
    return;
  const std::lock_guard guard{mutex_};
  erase();
  status_ = std::move(lines);
  draw();
}

void console::clear_status() {
  const std::lock_guard guard{mutex_};
  erase();
  status_.clear();
  std::fflush(out_);
}

void console::erase() {
  if (!status_.empty())
    std::fprintf(out_, "\x1b[%zuA\x1b[J", status_.size());
}

void console::draw() {
  // A line that wraps would take two rows and be erased by half.
  const size_t most = kind_.columns > 1 ? kind_.columns - 1 : 0;
  for (const auto& text : status_)
    std::fprintf(out_, "%s\n", (most > 0 ? cut_to_width(text, most) : text).c_str());
  std::fflush(out_);
}

} // namespace assay::cli
