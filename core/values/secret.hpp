#pragma once

#include <cstring> // explicit_bzero(), which is glibc's

#include <string>
#include <string_view>
#include <utility>

namespace assay {

/// A text that must not be printed: keys, passwords, tokens. It has no stream operator and no conversion to
/// a string; whoever needs the bytes says reveal() and is easy to find. Its memory is wiped when it goes.
class secret {
public:
  secret() = default;
  explicit secret(std::string text) : text_(std::move(text)) {}
  ~secret() { wipe(); }
  secret(const secret&) = default;
  secret(secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  secret& operator=(const secret& other) {
    secret copy(other);
    text_.swap(copy.text_);
    return *this;
  }
  secret& operator=(secret&& other) noexcept {
    text_.swap(other.text_);
    if (this != &other)
      other.wipe();
    return *this;
  }

  /// The bytes themselves, for the one place that sends or compares them.
  const std::string& reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

  friend bool operator==(const secret&, const secret&) = default;

private:
  void wipe() noexcept {
    // Short texts lie in the object itself, so that a moved-from one still holds them.
    ::explicit_bzero(text_.data(), text_.capacity());
    text_.clear();
  }

  std::string text_;
};

/// What logs and dumps show instead.
inline std::string_view to_string(const secret& value) noexcept {
  return value.empty() ? "(not set)" : "***";
}

} // namespace assay
