// IEEE half and bfloat16, to float32 and back. Narrowing rounds to nearest even and keeps NaN quiet.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

void Fp16ToFp32(const uint8_t* source, uint8_t* target, size_t count);
void Fp32ToFp16(const uint8_t* source, uint8_t* target, size_t count);
void Bf16ToFp32(const uint8_t* source, uint8_t* target, size_t count);
void Fp32ToBf16(const uint8_t* source, uint8_t* target, size_t count);

}  // namespace penstock
