! Copyright (c) the algstack authors. Released under Apache 2.0.
module trapezoid
  implicit none
  private
  public :: integrate
contains
  !> Integral of f from a to b by the trapezoidal rule with n intervals.
  pure function integrate(f, a, b, n) result(total)
    interface
      pure function f(x) result(y)
        real, intent(in) :: x
        real :: y
      end function f
    end interface
    real, intent(in) :: a, b
    integer, intent(in) :: n
    real :: total, h
    integer :: i
    h = (b - a) / n
    total = 0.5 * (f(a) + f(b))
    do i = 1, n - 1
      total = total + f(a + i * h)
    end do
    total = h * total
  end function integrate
end module trapezoid
