#include "core/codecs/anthropic.hpp"
#include "core/codecs/gemini.hpp"
#include "core/codecs/openai_chat.hpp"

namespace assay::codecs {

std::unique_ptr<wire_codec> make_codec(const provider_profile& provider) {
  switch (provider.protocol) {
  case wire_protocol::openai_chat:
  case wire_protocol::azure_openai:
    break;
  case wire_protocol::anthropic:
    return make_anthropic_codec(provider);
  case wire_protocol::gemini:
    return make_gemini_codec(provider);
  }
  return make_openai_codec(provider);
}

} // namespace assay::codecs
