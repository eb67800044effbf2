#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::codecs {

/// What is publicly known about one model.
struct catalogue_entry {
  std::string id; ///< As its provider calls it: `claude-3-haiku-20240307`.
  provider_id provider;
  std::string name; ///< For people.
  std::string version;
  std::vector<std::string> aliases;   ///< Other names users write: `claude-3-haiku`.
  uint32_t context_window = 0;        ///< Tokens; 0 when unknown.
  uint32_t max_output_tokens = 0;     ///< 0 when unknown.
  std::optional<token_prices> prices; ///< Nothing when unknown.
  std::vector<std::string>
      capabilities;        ///< text_generation, code_completion, text, vision, function_calling, ...
  bool deprecated = false; ///< Retired, or announced to be.
  bool verified = true;    ///< False when only third parties say so.
  std::string as_of;       ///< Day of the prices, YYYY-MM-DD.

  /// False for models that make vectors only.
  bool answers_with_text() const;
};

/// The list of known models and their prices.
class catalogue {
public:
  /// Reads the catalogue's own JSON form. @returns malformed_input naming the row that is wrong.
  static result<catalogue> parse(std::string_view json);

  /// @returns the entry of an id, an alias, or a served name: one with a vendor prefix (`openai/gpt-4o`,
  /// `models/gemini-2.5-pro`) or a date or version after a known id (`gpt-4o-2024-08-06`). Null when unknown.
  const catalogue_entry* find(std::string_view name) const;

  const std::vector<catalogue_entry>& entries() const noexcept { return entries_; }

private:
  std::vector<catalogue_entry> entries_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

/// @returns what @p provider takes for a model that it calls @p wire_model. An entry's prices are those of
/// its own provider; others that serve the same model have prices of their own. They stand for: Azure OpenAI,
/// whose list prices are OpenAI's; OpenRouter, for `openai/`, `anthropic/` and `google/`, which it passes on
/// at the vendor's price; and the mock provider, where nothing is paid. Nothing for anybody else, and for
/// tuned models.
std::optional<token_prices> prices_at(const catalogue& from, std::string_view provider,
                                      std::string_view wire_model);

/// The catalogue built into this binary.
const catalogue& shipped_catalogue();

} // namespace assay::codecs
