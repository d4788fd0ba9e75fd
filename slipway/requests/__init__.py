"""What SageMaker is asked for, as typed values: composed, checked, shown, sent."""
