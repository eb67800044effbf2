#include "core/monitoring/bucket_key.hpp"

#include <charconv>

namespace assay::monitoring {

namespace {

constexpr size_t digits = 10;
constexpr size_t prefix_size = 2;

std::string number_of(int64_t seconds_since_epoch) {
  auto text = std::to_string(std::max<int64_t>(seconds_since_epoch, 0));
  text.insert(0, digits - std::min(digits, text.size()), '0');
  return text;
}

seconds width_of(bool quarter) noexcept { return quarter ? quarter_width : minute_width; }

/// The provider ends at the first slash.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c == '%')
      out += "%25";
    else if (c == '/')
      out += "%2F";
    else
      out += c;
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 3) == "%25" || text.substr(i, 3) == "%2F") {
      out += text[i + 2] == '5' ? '%' : '/';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

} // namespace

std::string_view key_prefix(bool quarter) noexcept { return quarter ? "q/" : "m/"; }

std::string to_string(const bucket_key& key) {
  return std::string(key_prefix(key.name.quarter))
         + number_of(key.name.index * width_of(key.name.quarter).count()) + "/" + escaped(key.provider.value)
         + "/" + key.model.value;
}

std::optional<bucket_key> bucket_key_from_string(std::string_view text) {
  bucket_key out;
  out.name.quarter = text.starts_with(key_prefix(true));
  if (!out.name.quarter && !text.starts_with(key_prefix(false)))
    return std::nullopt;
  text.remove_prefix(prefix_size);
  int64_t start = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), start);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  const auto width = width_of(out.name.quarter).count();
  if (error != std::errc{} || start < 0 || start % width != 0 || !text.starts_with('/'))
    return std::nullopt;
  text.remove_prefix(1);
  const auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return std::nullopt;
  out.name.index = start / width;
  out.provider = provider_id{unescaped(text.substr(0, slash))};
  out.model = model_id{std::string(text.substr(slash + 1))};
  return out;
}

std::string key_from(bool quarter, wall_time at) {
  return std::string(key_prefix(quarter))
         + number_of(std::chrono::ceil<seconds>(at.time_since_epoch()).count());
}

} // namespace assay::monitoring
