#pragma once

#include <string>
#include <string_view>

namespace assay {

/// A text that must not be printed: keys, passwords, tokens. It has no stream operator and no conversion to
/// a string; whoever needs the bytes says reveal() and is easy to find.
class secret {
public:
  secret() = default;
  explicit secret(std::string text) : text_(std::move(text)) {}

  /// The bytes themselves, for the one place that sends or compares them.
  const std::string& reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

  friend bool operator==(const secret&, const secret&) = default;

private:
  std::string text_;
};

/// What logs and dumps show instead.
inline std::string_view to_string(const secret& value) noexcept {
  return value.empty() ? "(not set)" : "***";
}

} // namespace assay
