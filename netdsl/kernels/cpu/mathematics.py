"""The elementary functions of float32, written so that loops over them vectorize.

Each passes NaN through, is right at infinity, and treats denormal numbers as zero (as kernels run). Errors
are given in units in the last place (ulp) against the exact value; the tests hold them.
"""

import math
from typing import Final

from numba.core import types

from netdsl.kernels.cpu.expressions import Number, fma, formula, polynomial

_INFINITY: Final = math.inf
_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.693145751953125
_LN2_LOW: Final = 1.428606765330187e-06
_ROUND: Final = 12582912.0
"""1.5 * 2^23: adding it to a number below 2^22 leaves the nearest whole number in the low bits."""
_ROUND_DOUBLE: Final = 6755399441055744.0
_HALF_PI_REST: Final = -4.371139000186241e-08
"""What pi/2 has beyond its float32."""
_SMALLEST: Final = 1.1754943508222875e-38
"""The smallest normal number."""

float1 = formula(types.float32, types.float32)
float2 = formula(types.float32, types.float32, types.float32)


def exponential(x: Number) -> Number:
    """Return e^x: x = n ln 2 + r with |r| <= ln(2)/2, a polynomial of r, and 2^n in two factors.

    2^128 is no float32, though 2^128 * 0.9 may be asked for; so the halves of n scale one after the other.
    Source: polynomial of Cephes (S. L. Moshier).
    """
    y, exponent = _parts_of_exponential((x < -104.0).choose(-104.0, (x > 89.0).choose(89.0, x)))
    exponent = exponent - 0x4B400000
    half = Number(x.builder, x.builder.ashr(exponent.value, exponent.like(1).value))
    return (y + 1.0) * _power_of_two(half) * _power_of_two(exponent - half)


def _exponential_within(x: Number) -> Number:
    """Return e^x for -87 <= x <= 88, where 2^n is one factor; NaN passes through."""
    y, exponent = _parts_of_exponential(x)
    return (y + 1.0) * ((exponent << 23) + 0x3F800000).as_float()


def _parts_of_exponential(x: Number) -> tuple[Number, Number]:
    """Return e^r - 1, and a whole number whose low bits are those of n."""
    shifted = fma(x, _LOG2_E, _ROUND)
    n = shifted - _ROUND
    r = fma(n, -_LN2_LOW, fma(n, -_LN2_HIGH, x))
    y = polynomial(
        r,
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
    return fma(y, r * r, r), shifted.bits()


def _power_of_two(n: Number) -> Number:
    return ((n + 127) << 23).as_float()


def logarithm(x: Number) -> Number:
    """Return ln x: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and a polynomial of m - 1.

    Source: polynomial of Cephes (S. L. Moshier).
    """
    bits = x.bits()
    # Subtracting the bits of sqrt(1/2) makes the exponent change there instead of at powers of two.
    offset = bits - 0x3F3504F3
    e = Number(x.builder, x.builder.ashr(offset.value, offset.like(23).value))
    r = (bits - (e << 23)).as_float() - 1.0
    e = e.to_float()
    z = r * r
    y = polynomial(
        r, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    y = fma(e, _LN2_LOW, y * (r * z))
    y = fma(z, -0.5, y)
    y = fma(e, _LN2_HIGH, r + y)
    usual = (x < _SMALLEST).choose((x < 0.0).choose(math.nan, x.like(-_INFINITY)), y)
    return (x < _INFINITY).choose(usual, x)


@float1
def exp32(x: Number) -> Number:
    """Return e^x. Error: 1 ulp; below -87.3 it is denormal, then 0; above 88.72 infinite."""
    return exponential(x)


@float1
def log32(x: Number) -> Number:
    """Return ln x: -infinity at 0, NaN below. Error: 1 ulp."""
    return logarithm(x)


@float1
def log1p32(x: Number) -> Number:
    """Return ln(1 + x). Error: 3 ulp.

    u = 1 + x is rounded; x / (u - 1) makes good for it. Source: W. Kahan.
    """
    u = x + 1.0
    d = u - 1.0
    y = logarithm(u) * (x / d)
    y = d.equals(0.0).choose(x, y)
    return (x < _INFINITY).choose(y, x)


@float1
def tanh32(x: Number) -> Number:
    """Return tanh x as (e^2x - 1) / (e^2x + 1), with the 1 left out of the exponential. Error: 3 ulp."""
    a = x.call("fabs")
    p, exponent = _parts_of_exponential((a > 10.0).choose(20.0, a + a))
    power = ((exponent << 23) + 0x3F800000).as_float()
    rest = fma(power, p, power - 1.0)
    return (rest / (rest + 2.0)).call("copysign", x)


@float1
def sigmoid32(x: Number) -> Number:
    """Return 1 / (1 + e^-x). Error: 3 ulp of normal numbers; 0 below -88, where it is 6e-39 at most."""
    y = 1.0 / (_exponential_within((x < -88.0).choose(88.0, (x > 87.0).choose(-87.0, -x))) + 1.0)
    return (x < -88.0).choose(0.0, y)


@float1
def softplus32(x: Number) -> Number:
    """Return ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|). Error: 3 ulp."""
    small = exponential(-x.call("fabs"))
    u = small + 1.0
    d = u - 1.0
    tail = d.equals(0.0).choose(small, logarithm(u) * (small / d))
    return (x > 0.0).choose(x, 0.0) + tail


@float1
def erf32(x: Number) -> Number:
    """Return the error function. Error: 2 ulp. Source: fitted here, minimax for the relative error."""
    z = x * x
    small = polynomial(
        z, 8.26742616482079e-05, -0.000811806705314666, 0.005198828876018524, -0.02685849741101265,
        0.1128367930650711, -0.37612631916999817, 0.12837916612625122,
    )  # fmt: skip
    a = x.call("fabs")
    t = (a > 4.0).choose(4.0, a)
    logarithm_of_rest = polynomial(
        t, 0.0001959384826477617, -0.003043229691684246, 0.02222696878015995, -0.10393169522285461,
        -0.6371821165084839, -1.1276756525039673, -0.00019565901311580092,
    )  # fmt: skip
    large = 1.0 - _exponential_within(logarithm_of_rest)
    return (a < 0.9375).choose(fma(small, x, x), large.call("copysign", x))


@float1
def arctan32(x: Number) -> Number:
    """Return the angle whose tangent is x. Error: 2 ulp. Source: polynomial of Cephes (S. L. Moshier)."""
    a = x.call("fabs")
    far, middle = a > 2.414213562373095, a > 0.4142135623730950
    top = far.choose(-1.0, middle.choose(a - 1.0, a))
    bottom = far.choose(a, middle.choose(a + 1.0, x.like(1.0)))
    start = far.choose(math.pi / 2, middle.choose(math.pi / 4, x.like(0.0)))
    rest = far.choose(_HALF_PI_REST, middle.choose(_HALF_PI_REST / 2, x.like(0.0)))
    r = top / bottom
    z = r * r
    y = polynomial(z, 8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
    return (start + (fma(y * z, r, r) + rest)).call("copysign", x)


@float1
def sin32(x: Number) -> Number:
    """Return the sine. Error: 2 ulp; NaN beyond 2^50, where float32 numbers are whole turns apart."""
    r, quarter = _quarter_turns(x)
    return _sine_of_quarters(r, quarter)


@float1
def cos32(x: Number) -> Number:
    """Return the cosine. Error: 2 ulp; NaN beyond 2^50, where float32 numbers are whole turns apart."""
    r, quarter = _quarter_turns(x)
    return _sine_of_quarters(r, quarter + 1)


def _quarter_turns(x: Number) -> tuple[Number, Number]:
    """Return the angle left after taking away whole quarter turns, within 1/8 turn, and their number.

    In float64, since float32 has no bits left for large angles; pi/2 in two parts keeps 106 bits of it
    (53 on a machine that cannot fuse: there angles of millions lose precision).
    """
    wide = x.to_double()
    shifted = fma(wide, 2.0 / math.pi, _ROUND_DOUBLE)
    n = shifted - _ROUND_DOUBLE
    r = fma(n, -6.123233995736766e-17, fma(n, -math.pi / 2, wide)).to_float()
    r = (x.call("fabs") < 2.0**50).choose(r, math.nan)
    return r, shifted.bits().to_int()


def _sine_of_quarters(r: Number, quarter: Number) -> Number:
    """Return the sine of r plus a number of quarter turns. Source: polynomials of Cephes (S. L. Moshier)."""
    z = r * r
    sine = fma(polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * z, r, r)
    cosine = polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    cosine = fma(cosine * z, z, fma(z, -0.5, 1.0))
    y = (quarter & 1).equals(0).choose(sine, cosine)
    return (y.bits() ^ ((quarter & 2) << 30)).as_float()


@float2
def pow32(x: Number, y: Number) -> Number:
    """Return x^y, with the special cases of IEEE 754. Error: 1 ulp. Computed in float64."""
    a = x.call("fabs")
    whole = y.call("floor").equals(y)
    half = y * 0.5
    odd = Number(x.builder, x.builder.and_(whole.value, _differs(half.call("floor"), half).value))
    size = _power(a, y)
    size = (_infinite(y) & a.equals(1.0)).choose(1.0, size)
    signed = (size.bits() | (x.bits() & -0x80000000)).as_float()
    result = odd.choose(signed, size)
    undefined = (x < 0.0) & _differs(y.call("floor"), y) & (a < _INFINITY)
    result = undefined.choose(math.nan, result)
    return _either(y.equals(0.0), x.equals(1.0)).choose(1.0, result)


def _power(a: Number, y: Number) -> Number:
    """Return a^y for a >= 0 as 2^(y log2 a), in float64."""
    bits = a.to_double().bits()
    offset = bits - 0x3FE6A09E667F3BCD
    e = Number(a.builder, a.builder.ashr(offset.value, offset.like(52).value))
    m = (bits - (e << 52)).as_float()
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    series = polynomial(z, *(2 * _LOG2_E / k for k in range(15, 0, -2)))
    # The exponent is put together from bits, since not every machine converts 64-bit integers in vectors.
    e_float = ((e + 0x3FF) | 0x4338000000000000).as_float() - (_ROUND_DOUBLE + 0x3FF)
    logarithm2 = fma(s, series, e_float)
    logarithm2 = a.equals(0.0).choose(-_INFINITY, _infinite(a).choose(_INFINITY, logarithm2))
    t = y.to_double() * logarithm2
    t = (t < -160.0).choose(-160.0, (t > 130.0).choose(130.0, t))
    shifted = t + _ROUND_DOUBLE
    r = (t - (shifted - _ROUND_DOUBLE)) * math.log(2.0)
    value = polynomial(r, *(1.0 / math.factorial(k) for k in range(9, -1, -1)))
    scale = ((shifted.bits() + 0x3FF) << 52).as_float()
    return _either(a.is_nan(), y.is_nan()).choose(math.nan, (value * scale).to_float())


def _infinite(x: Number) -> Number:
    return x.call("fabs").equals(_INFINITY)


def _differs(a: Number, b: Number) -> Number:
    return Number(a.builder, a.builder.fcmp_ordered("!=", a.value, b.value))


def _either(a: Number, b: Number) -> Number:
    return a | b


@float1
def floor32(x: Number) -> Number:
    """Return the whole number below or at x."""
    return x.call("floor")


@float1
def ceil32(x: Number) -> Number:
    """Return the whole number above or at x."""
    return x.call("ceil")


@float1
def round32(x: Number) -> Number:
    """Return the nearest whole number, of two the even one."""
    return x.call("rint")


@float1
def sqrt32(x: Number) -> Number:
    """Return the square root, rounded once; NaN below 0."""
    return x.call("sqrt")


@float2
def maximum32(a: Number, b: Number) -> Number:
    """Return the greater of two; NaN if one is."""
    return _either(a > b, a.is_nan()).choose(a, b)


@float2
def minimum32(a: Number, b: Number) -> Number:
    """Return the smaller of two; NaN if one is."""
    return _either(a < b, a.is_nan()).choose(a, b)
