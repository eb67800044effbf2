#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace assay {

/// An immutable text whose copies share one buffer. Prompts, answers and frames travel as this, so that a
/// hop between actors costs a reference count and never a copy of the bytes.
class shared_text {
public:
  shared_text() = default;

  explicit shared_text(std::string_view text) : size_(text.size()) {
    if (text.empty())
      return;
    auto bytes = std::make_shared_for_overwrite<char[]>(text.size());
    std::memcpy(bytes.get(), text.data(), text.size());
    bytes_ = std::move(bytes);
  }

  std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  operator std::string_view() const noexcept { return view(); }
  std::string str() const { return std::string(view()); }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  friend bool operator==(const shared_text& a, const shared_text& b) noexcept { return a.view() == b.view(); }

private:
  std::shared_ptr<const char[]> bytes_;
  size_t size_ = 0;
};

} // namespace assay
